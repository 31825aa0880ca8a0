// This file is part of Tryton.  The COPYRIGHT file at the top level of
// this repository contains the full copyright notices and license terms.
//
// A stand-in of Stripe.js that speaks to the simulator which serves it.
// It has the documented calls about the Payment Element, checks their options
// as Stripe.js does and keeps what the payer types in a frame of its own.
(() => {
'use strict';

const SCRIPT = new URL(document.currentScript.src);
const BASE = new URL('.', SCRIPT).href;
const API = SCRIPT.origin;

const DONE = ['succeeded', 'canceled', 'processing', 'requires_capture'];
const LOCALES = [
  'auto', 'ar', 'bg', 'cs', 'da', 'de', 'el', 'en', 'en-AU', 'en-CA',
  'en-NZ', 'en-GB', 'es', 'es-ES', 'es-419', 'et', 'fi', 'fil', 'fr',
  'fr-CA', 'fr-FR', 'he', 'hu', 'hr', 'id', 'it', 'it-IT', 'ja', 'ko', 'lt',
  'lv', 'ms', 'mt', 'nb', 'nl', 'no', 'pl', 'pt', 'pt-BR', 'ro', 'ru', 'sk',
  'sl', 'sv', 'th', 'tr', 'vi', 'zh', 'zh-HK', 'zh-TW'];
const OPTIONS = {
  Stripe: ['stripeAccount', 'apiVersion', 'locale', 'betas',
    'developerTools'],
  elements: ['fonts', 'locale', 'appearance', 'loader', 'customerOptions',
    'customerSessionClientSecret', 'customPaymentMethods',
    'syncAddressCheckbox', 'paymentMethodCreation', 'clientSecret',
    'currency'],
  update: ['locale', 'fonts', 'appearance'],
  appearance: ['disableAnimations', 'theme', 'variables', 'rules', 'labels',
    'inputs'],
  create: ['defaultValues', 'business', 'paymentMethodOrder', 'fields',
    'readOnly', 'terms', 'wallets', 'walletOptions', 'layout', 'applePay'],
  layout: ['type', 'defaultCollapsed', 'radios', 'spacedAccordionItems',
    'visibleAccordionItemsCount', 'paymentMethodLogoPosition'],
  confirm: ['elements', 'clientSecret', 'confirmParams', 'redirect'],
  confirmParams: ['return_url', 'payment_method', 'payment_method_data',
    'payment_method_options', 'confirmation_token', 'expand', 'shipping',
    'receipt_email', 'mandate_data', 'error_on_requires_action',
    'save_payment_method', 'setup_future_usage', 'use_stripe_sdk',
    'mandate', 'off_session', 'radar_options', 'allow_redisplay'],
};
const EVENTS = ['ready', 'change', 'focus', 'blur', 'escape', 'loaderror',
  'loaderstart', 'carddetailschange', 'savedpaymentmethodupdate',
  'savedpaymentmethodremove', 'availablepaymentmethodschange'];
const KINDS = {
  pi: {
    object: 'payment_intent', result: 'paymentIntent', path: 'payment_intents',
    label: 'PaymentIntent', error: 'last_payment_error',
    confirm: 'confirmPayment'},
  seti: {
    object: 'setup_intent', result: 'setupIntent', path: 'setup_intents',
    label: 'SetupIntent', error: 'last_setup_error',
    confirm: 'confirmSetup'},
};
const UNAUTHENTICATED = (
  'We are unable to authenticate your payment method. Please choose a '
  + 'different payment method and try again.');

class IntegrationError extends Error {
  constructor(message) {
    super(message);
    this.name = 'IntegrationError';
  }
}

function quote(value) {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function warn(message) {
  console.warn('[Stripe.js] ' + message);
}

function checkObject(value, where) {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new IntegrationError(
      `Invalid value for ${where} should be an object. You specified: `
      + `${quote(value)}.`);
  }
}

function checkNames(options, names, where) {
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) {
      warn(
        `Unrecognized ${where} parameter: ${name} is not a recognized `
        + 'parameter. This may cause issues with your integration in the '
        + 'future.');
    }
  }
}

function checkOneOf(value, values, where) {
  if (value !== undefined && !values.includes(value)) {
    throw new IntegrationError(
      `Invalid value for ${where} should be one of the following strings: `
      + `${values.join(', ')}. You specified: ${quote(value)}.`);
  }
}

function checkLocale(locale) {
  if (locale !== undefined && !LOCALES.includes(locale)) {
    warn(`Unsupported locale: ${quote(locale)}, using auto.`);
  }
}

function checkAppearance(appearance) {
  if (appearance === undefined) return;
  checkObject(appearance, 'elements(): appearance');
  checkNames(appearance, OPTIONS.appearance, 'elements() appearance');
  checkOneOf(
    appearance.theme, ['stripe', 'night', 'flat'],
    'elements(): appearance.theme');
}

function kindOf(secret, where) {
  const match = /^(pi|seti)_[^_]+_secret_.+$/.exec(secret || '');
  if (!match) {
    throw new IntegrationError(
      `Invalid value for ${where} should be a client secret of the form `
      + '${id}_secret_${secret}. You specified: ' + quote(secret) + '.');
  }
  return KINDS[match[1]];
}

function* flatten(value, prefix) {
  for (const [key, item] of Object.entries(value)) {
    const name = prefix ? `${prefix}[${key}]` : key;
    if (item === undefined || item === null) continue;
    if (typeof item === 'object') yield* flatten(item, name);
    else yield [name, String(item)];
  }
}

async function request(key, method, path, params) {
  const form = new URLSearchParams([...flatten(params)]).toString();
  let url = API + path;
  const options = {method, headers: {Authorization: 'Bearer ' + key}};
  if (method === 'GET') {
    url += '?' + form;
  } else {
    options.body = form;
    options.headers['Content-Type'] = 'application/x-www-form-urlencoded';
  }
  try {
    const response = await fetch(url, options);
    return await response.json();
  } catch (error) {
    return {error: {
      type: 'api_connection_error',
      message: 'We are experiencing issues connecting to our payments '
        + 'provider. Please check your internet connection and try again.'}};
  }
}

class PaymentElement {
  constructor(group, options) {
    this._group = group;
    this._options = options;
    this._handlers = [];
    this._calls = new Map();
    this._count = 0;
    this._frame = null;
    this._failed = false;
    this._listen = this._listen.bind(this);
  }

  mount(target) {
    const node = (
      typeof target === 'string' ? document.querySelector(target) : target);
    if (!target) {
      throw new IntegrationError(
        'Missing argument. Make sure to call mount() with a valid DOM '
        + 'element or selector.');
    } else if (!node) {
      throw new IntegrationError(
        `The selector you specified (${target}) applies to no DOM elements `
        + 'that are currently on the page. Make sure the element exists on '
        + 'the page before calling mount().');
    } else if (this._destroyed) {
      throw new IntegrationError(
        'This Element has already been destroyed. Please create a new one.');
    }
    if (node.childNodes.length) {
      warn(
        'This Element will be mounted to a DOM element that contains child '
        + 'nodes.');
      node.replaceChildren();
    }
    const frame = document.createElement('iframe');
    frame.title = 'Secure payment input frame';
    frame.name = '__privateStripeFrame' + Math.floor(Math.random() * 1e4);
    frame.setAttribute('allow', 'payment *; publickey-credentials-get *');
    Object.assign(frame.style, {
      display: 'block', border: 'none', width: '100%', height: '230px',
      colorScheme: 'normal'});
    frame.src = BASE + 'payment-element.html';
    this._frame = frame;
    window.addEventListener('message', this._listen);
    node.append(frame);
    this._emit('loaderstart', {});
    return this;
  }

  unmount() {
    if (this._frame) this._frame.remove();
    this._frame = null;
    window.removeEventListener('message', this._listen);
    return this;
  }

  destroy() {
    this.unmount();
    this._destroyed = true;
    this._group._element = null;
    return this;
  }

  update(options) {
    checkNames(options, OPTIONS.create, 'element.update()');
    return this;
  }

  collapse() {
    return this;
  }

  focus() {
    this._call('focus');
    return this;
  }

  on(type, handler, once) {
    if (typeof handler !== 'function') {
      throw new IntegrationError(
        `Invalid value for on(): handler should be a function.`);
    }
    checkOneOf(type, EVENTS, 'on(): event');
    this._handlers.push({type, handler, once});
    return this;
  }

  once(type, handler) {
    return this.on(type, handler, true);
  }

  off(type, handler) {
    this._handlers = this._handlers.filter(
      h => h.type !== type || (handler && h.handler !== handler));
    return this;
  }

  _emit(type, event) {
    for (const item of this._handlers.filter(h => h.type === type)) {
      if (item.once) this.off(type, item.handler);
      item.handler({elementType: 'payment', ...event});
    }
  }

  _listen(event) {
    if (!this._frame || event.source !== this._frame.contentWindow
      || event.origin !== API) return;
    const {action, id, value} = event.data;
    if (action === 'hello') {
      this._post({action: 'init', value: this._group._settings()});
    } else if (action === 'height') {
      this._frame.style.height = value + 'px';
    } else if (action === 'answer') {
      const resolve = this._calls.get(id);
      this._calls.delete(id);
      if (resolve) resolve(value);
    } else {
      if (action === 'loaderror') {
        this._failed = true;
        if (!this._handlers.some(h => h.type === 'loaderror')) {
          console.error(
            'Unhandled payment Element loaderror', value.error.message);
        }
      }
      this._emit(action, value);
    }
  }

  _post(message) {
    this._frame.contentWindow.postMessage(message, API);
  }

  _call(action, value) {
    if (!this._frame || !this._frame.isConnected || this._failed) {
      throw new IntegrationError(
        'We could not retrieve data from the specified Element. Please make '
        + 'sure the Element you are attempting to use is still mounted.');
    }
    const id = ++this._count;
    return new Promise(resolve => {
      this._calls.set(id, resolve);
      this._post({action, id, value});
    });
  }
}

class Elements {
  constructor(stripe, options) {
    checkObject(options, 'elements():');
    if ('mode' in options) {
      throw new IntegrationError(
        'The stand-in of Stripe.js needs a clientSecret, not a mode.');
    }
    checkNames(options, OPTIONS.elements, 'elements()');
    if (options.clientSecret === undefined) {
      throw new IntegrationError(
        'In order to create a payment element, you must pass a valid '
        + 'PaymentIntent or SetupIntent client secret when creating the '
        + 'Elements group.');
    }
    this._kind = kindOf(options.clientSecret, 'elements(): clientSecret');
    const session = options.customerSessionClientSecret;
    if (session !== undefined && !/^cuss_secret_/.test(session)) {
      throw new IntegrationError(
        'Invalid value for elements(): customerSessionClientSecret should '
        + `be a customer session client secret. You specified: `
        + `${quote(session)}.`);
    }
    checkOneOf(
      options.loader, ['auto', 'always', 'never'], 'elements(): loader');
    checkLocale(options.locale);
    checkAppearance(options.appearance);
    this._stripe = stripe;
    this._options = {...options};
    this._element = null;
  }

  create(type, options) {
    if (type !== 'payment') {
      throw new IntegrationError(
        `A valid Element name must be provided. The stand-in has only `
        + `payment; you passed: ${quote(type)}.`);
    }
    if (this._element) {
      throw new IntegrationError(
        'Can only create one Element of type payment.');
    }
    options = options || {};
    checkNames(options, OPTIONS.create, 'elements.create()');
    const layout = options.layout;
    const layouts = ['tabs', 'accordion', 'auto'];
    if (layout && typeof layout === 'object') {
      checkNames(layout, OPTIONS.layout, 'elements.create() layout');
      checkOneOf(layout.type, layouts, 'elements.create(): layout.type');
    } else {
      checkOneOf(layout, layouts, 'elements.create(): layout');
    }
    this._element = new PaymentElement(this, options);
    return this._element;
  }

  getElement(type) {
    return type === 'payment' ? this._element : null;
  }

  update(options) {
    checkNames(options, OPTIONS.update, 'elements.update()');
    checkLocale(options.locale);
    checkAppearance(options.appearance);
    Object.assign(this._options, options);
    if (this._element && this._element._frame && !this._element._failed) {
      this._element._call('appearance', this._options.appearance);
    }
  }

  async fetchUpdates() {
    return this._mounted()._call('fetchUpdates');
  }

  async submit() {
    return this._mounted()._call('submit');
  }

  _mounted() {
    if (!this._element) {
      throw new IntegrationError(
        'elements should have a mounted Payment Element.');
    }
    return this._element;
  }

  _settings() {
    return {
      key: this._stripe._key,
      kind: this._kind,
      clientSecret: this._options.clientSecret,
      customerSession: this._options.customerSessionClientSecret,
      appearance: this._options.appearance,
    };
  }
}

class StripeStandIn {
  constructor(key, options) {
    this._key = key;
    this._options = options;
  }

  elements(options) {
    return new Elements(this, options === undefined ? {} : options);
  }

  confirmPayment(options) {
    return this._confirm(KINDS.pi, options);
  }

  confirmSetup(options) {
    return this._confirm(KINDS.seti, options);
  }

  async retrievePaymentIntent(secret) {
    return this._retrieve(KINDS.pi, secret);
  }

  async retrieveSetupIntent(secret) {
    return this._retrieve(KINDS.seti, secret);
  }

  registerAppInfo() {}

  async _retrieve(kind, secret) {
    if (kindOf(secret, `retrieve${kind.label}() intent secret:`) !== kind) {
      throw new IntegrationError(
        `Invalid value for retrieve${kind.label}(): the client secret is of `
        + 'another kind of intent.');
    }
    const answer = await request(
      this._key, 'GET', `/v1/${kind.path}/${secret.split('_secret_')[0]}`,
      {client_secret: secret});
    return answer.error ? {error: answer.error} : {[kind.result]: answer};
  }

  async _confirm(kind, options) {
    const where = kind.confirm + '()';
    checkObject(options === undefined ? null : options, where + ':');
    checkNames(options, OPTIONS.confirm, where);
    const {elements, redirect, confirmParams = {}} = options;
    if (!(elements instanceof Elements)) {
      throw new IntegrationError(
        `Invalid value for ${where} elements should be an Elements instance. `
        + `You specified: ${quote(elements)}.`);
    }
    checkOneOf(redirect, ['always', 'if_required'], where + ' redirect');
    checkObject(confirmParams, where + ' confirmParams');
    checkNames(
      confirmParams, OPTIONS.confirmParams, where + ' confirmParams');
    const url = confirmParams.return_url;
    if (url === undefined && redirect !== 'if_required') {
      throw new IntegrationError(
        `Missing value for ${where}: confirmParams.return_url should be a `
        + 'url string.');
    }
    if (url !== undefined && !/^https?:\/\//.test(url)) {
      throw new IntegrationError(
        `Invalid value for ${where} confirmParams.return_url should be a `
        + `url string. You specified: ${quote(url)}.`);
    }
    if (elements._kind !== kind) {
      throw new IntegrationError(
        `You called ${where} with the client secret of a `
        + `${elements._kind.label}.`);
    }
    const result = await elements._mounted()._call('confirm', {confirmParams});
    return this._finish(elements, result, url, redirect);
  }

  async _finish(elements, answer, url, redirect) {
    const kind = elements._kind;
    if (answer.error) return answer;
    let intent = answer.intent;
    const action = intent.next_action;
    if (intent.status === 'requires_action' && action) {
      if (action.type === 'redirect_to_url') {
        window.location.assign(action.redirect_to_url.url);
        return new Promise(() => {});
      }
      if (action.type === 'use_stripe_sdk') {
        await challenge(this._key, elements._options.clientSecret, action);
      } else {
        await instruct(action);
      }
      const found = await this._retrieve(
        kind, elements._options.clientSecret);
      if (found.error) return found;
      intent = found[kind.result];
    }
    if (!DONE.includes(intent.status) && !paidElsewhere(intent)) {
      const error = {...intent[kind.error], [kind.object]: intent};
      if (/_authentication_failure$/.test(error.code)) {
        error.message = UNAUTHENTICATED;
      }
      return {error};
    }
    if (redirect !== 'if_required') {
      const target = new URL(url);
      target.searchParams.set(kind.object, intent.id);
      target.searchParams.set(
        kind.object + '_client_secret', elements._options.clientSecret);
      target.searchParams.set('redirect_status', intent.status);
      window.location.assign(target);
      return new Promise(() => {});
    }
    return {[kind.result]: intent};
  }
}

// Show the challenge of the bank over the page until the payer has answered
function challenge(key, secret, action) {
  return cover(
    'Authentication', '__privateStripeFrameChallenge',
    BASE + 'challenge.html#' + new URLSearchParams({
      key, secret, source: action.use_stripe_sdk.source}));
}

// Whether the payer has done what there is to do on the page
function paidElsewhere(intent) {
  return intent.status === 'requires_action' && intent.next_action
    && !['use_stripe_sdk', 'redirect_to_url'].includes(
      intent.next_action.type);
}

// Show how to pay elsewhere until the payer closes it
async function instruct(action) {
  const details = action[action.type];
  const url = details.hosted_voucher_url || details.hosted_instructions_url;
  // Stripe.js shows nothing about micro-deposits
  if (url) {
    await cover(
      'Instructions', '__privateStripeFrameInstructions',
      url + '?embedded=1');
  }
}

function cover(title, name, url) {
  const frame = document.createElement('iframe');
  frame.title = title;
  frame.name = name;
  Object.assign(frame.style, {
    position: 'fixed', inset: '0', width: '100%', height: '100%',
    border: 'none', zIndex: '2147483647'});
  frame.src = url;
  return new Promise(resolve => {
    window.addEventListener('message', function listen(event) {
      if (event.source !== frame.contentWindow
        || event.origin !== API) return;
      window.removeEventListener('message', listen);
      frame.remove();
      resolve();
    });
    document.body.append(frame);
  });
}

function Stripe(key, options = {}) {
  if (typeof key !== 'string' || !key) {
    throw new IntegrationError(
      'Missing value for Stripe(): apiKey should be a string.');
  } else if (/^(sk|rk)_/.test(key)) {
    throw new IntegrationError(
      'You should not use your secret key with Stripe.js. Please pass a '
      + 'publishable key instead.');
  }
  checkObject(options, 'Stripe(): options');
  checkNames(options, OPTIONS.Stripe, 'Stripe()');
  checkLocale(options.locale);
  return new StripeStandIn(key, options);
}
Stripe.version = 'endive';
window.Stripe = Stripe;
})();
