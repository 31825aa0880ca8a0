// This file is part of Tryton.  The COPYRIGHT file at the top level of
// this repository contains the full copyright notices and license terms.
//
// The frame of the Payment Element: the payer types here and what is typed
// goes to the simulator only.
(() => {
'use strict';

const LABELS = {
  card: 'Card', sepa_debit: 'SEPA Debit', klarna: 'Klarna',
  bancontact: 'Bancontact', eps: 'EPS', ideal: 'iDEAL', p24: 'Przelewy24',
  paypal: 'PayPal', sofort: 'Sofort',
  acss_debit: 'Pre-authorized debit', boleto: 'Boleto',
  customer_balance: 'Bank transfer', konbini: 'Konbini',
  multibanco: 'Multibanco', oxxo: 'OXXO', pix: 'Pix',
  us_bank_account: 'US bank account', wechat_pay: 'WeChat Pay'};
const REDIRECTS = [
  'klarna', 'bancontact', 'eps', 'ideal', 'p24', 'paypal', 'sofort'];
// Any account can be paid from, none is asked for
const ACCOUNTS = {
  acss_debit: {
    account_number: '000123456789', institution_number: '000',
    transit_number: '11000'},
  us_bank_account: {
    account_number: '000123456789', routing_number: '110000000',
    account_holder_type: 'individual'}};
const OPEN = [
  'requires_payment_method', 'requires_confirmation', 'requires_action'];
const get = id => document.getElementById(id);
const form = get('form');
let settings, session, type, lastChange;

function tell(action, value, id) {
  window.parent.postMessage({action, value, id}, '*');
}

// Checks of what was typed ---------------------------------------------------

function luhn(number) {
  let sum = 0;
  [...number].reverse().forEach((digit, i) => {
    const n = Number(digit) * (i % 2 ? 2 : 1);
    sum += n > 9 ? n - 9 : n;
  });
  return sum % 10 === 0;
}

function expiry() {
  const [month, year] = form.expiry.value.split('/').map(s => s.trim());
  return {month: Number(month || 0), year: 2000 + Number(year || 0)};
}

const CHECKS = {
  number(value) {
    const digits = value.replace(/\D/g, '');
    const length = /^3[47]/.test(digits) ? 15 : 16;
    if (digits.length < Math.min(length, 14)) {
      return ['incomplete_number', 'Your card number is incomplete.'];
    } else if (!luhn(digits)) {
      return ['invalid_number', 'Your card number is invalid.'];
    }
  },
  expiry(value) {
    const {month, year} = expiry();
    const now = new Date();
    if (!/^\d\d? *\/ *\d\d$/.test(value) || month < 1 || month > 12) {
      return [
        'incomplete_expiry', "Your card's expiration date is incomplete."];
    } else if (year < now.getFullYear()) {
      return [
        'invalid_expiry_year_past',
        "Your card's expiration year is in the past."];
    } else if (
      year === now.getFullYear() && month < now.getMonth() + 1) {
      return [
        'invalid_expiry_month_past',
        "Your card's expiration date is in the past."];
    }
  },
  cvc(value) {
    if (!/^\d{3,4}$/.test(value)) {
      return ['incomplete_cvc', "Your card's security code is incomplete."];
    }
  },
  email(value) {
    if (!value) return ['incomplete_email', 'Your email is incomplete.'];
    if (!/^[^@\s]+@[^@\s]+$/.test(value)) {
      return ['invalid_email', 'Your email is invalid.'];
    }
  },
  name(value) {
    if (!value) return ['incomplete_name', 'Your name is incomplete.'];
  },
  iban(value) {
    const iban = value.replace(/\s/g, '').toUpperCase();
    if (iban.length < 15) {
      return ['incomplete_iban', 'Your IBAN is incomplete.'];
    }
    const digits = [...iban.slice(4) + iban.slice(0, 4)].map(
      c => parseInt(c, 36)).join('');
    let rest = 0;
    for (const digit of digits) rest = (rest * 10 + Number(digit)) % 97;
    // Two of Stripe's test numbers are not valid
    if (rest !== 1 && !/^AT[0-9]{18,20}$/.test(iban)) {
      return ['invalid_iban', 'Your IBAN is invalid.'];
    }
  },
};

function fields() {
  if (saved()) return [];
  return {
    card: ['number', 'expiry', 'cvc'],
    sepa_debit: ['email', 'name', 'iban'],
  }[type] || [];
}

function errorOf(name) {
  return CHECKS[name](form[name].value.trim());
}

function mark(name, error) {
  const input = form[name];
  const id = 'error-' + name;
  if (get(id)) get(id).remove();
  input.removeAttribute('aria-invalid');
  input.removeAttribute('aria-describedby');
  if (error) {
    const text = document.createElement('p');
    text.id = id;
    text.className = 'error';
    text.setAttribute('role', 'alert');
    text.textContent = error[1];
    input.setAttribute('aria-invalid', 'true');
    input.setAttribute('aria-describedby', id);
    input.after(text);
  }
}

// Returns the first error as Stripe.js does
function validate() {
  let first;
  for (const name of fields()) {
    const error = errorOf(name);
    mark(name, error);
    if (error && !first) {
      first = {
        error: {
          type: 'validation_error', code: error[0], message: error[1]}};
      form[name].focus();
    }
  }
  return first;
}

// Speaking to the simulator --------------------------------------------------

function* flatten(value, prefix) {
  for (const [key, item] of Object.entries(value)) {
    const name = prefix ? `${prefix}[${key}]` : key;
    if (item === undefined || item === null) continue;
    if (typeof item === 'object') yield* flatten(item, name);
    else yield [name, String(item)];
  }
}

async function request(method, path, params) {
  const body = new URLSearchParams([...flatten(params)]);
  const options = {
    method, headers: {Authorization: 'Bearer ' + settings.key}};
  if (method === 'GET') path += '?' + body;
  else options.body = body;
  try {
    const response = await fetch(path, options);
    return await response.json();
  } catch (error) {
    return {error: {
      type: 'api_connection_error',
      message: 'We are experiencing issues connecting to our payments '
        + 'provider. Please check your internet connection and try again.'}};
  }
}

async function readSession() {
  const answer = await request('GET', '/v1/elements/sessions', {
    client_secret: settings.clientSecret,
    customer_session_client_secret: settings.customerSession,
  });
  if (answer.error) return answer.error;
  const intent = answer[settings.kind.object];
  if (!OPEN.includes(intent.status)) {
    return {
      type: 'invalid_request_error',
      code: settings.kind.object + '_unexpected_state',
      message: `The client_secret provided is of a ${settings.kind.label} in `
        + `a terminal state (${intent.status}), it cannot be used to `
        + 'initialize Elements.',
      [settings.kind.object]: intent,
    };
  }
  session = answer;
}

async function confirm({confirmParams}) {
  const invalid = validate();
  if (invalid) return invalid;
  const params = {
    ...confirmParams,
    client_secret: settings.clientSecret,
    // The redirect is asked for only where there is no other way
    use_stripe_sdk: (
      REDIRECTS.includes(type) && !saved() ? undefined : true),
  };
  const features = session.customer ? session.customer.features : {};
  if (saved()) {
    params.payment_method = saved();
  } else {
    const data = {type};
    if (type === 'card') {
      const {month, year} = expiry();
      data.card = {
        number: form.number.value.replace(/\D/g, ''),
        exp_month: month, exp_year: year, cvc: form.cvc.value};
    } else if (type === 'sepa_debit') {
      data.sepa_debit = {iban: form.iban.value};
      data.billing_details = {
        name: form.name.value, email: form.email.value};
    } else if (ACCOUNTS[type]) {
      data[type] = ACCOUNTS[type];
    }
    if (form.save.checked) {
      data.allow_redisplay = 'always';
      if (session.mode === 'payment') {
        params.setup_future_usage = features.payment_method_save_usage;
      }
    }
    params.payment_method_data = data;
  }
  const id = settings.clientSecret.split('_secret_')[0];
  const answer = await request(
    'POST', `/v1/${settings.kind.path}/${id}/confirm`, params);
  return answer.error ? {error: answer.error} : {intent: answer};
}

// Showing --------------------------------------------------------------------

function saved() {
  const checked = form.querySelector('input[name=saved]:checked');
  return checked ? checked.value : '';
}

function panelOf(name) {
  if (REDIRECTS.includes(name)) return 'panel-redirect';
  return get('panel-' + name) ? 'panel-' + name : 'panel-other';
}

function select(name) {
  type = name;
  for (const tab of get('tabs').children) {
    tab.setAttribute('aria-selected', String(tab.dataset.type === name));
  }
  for (const panel of form.querySelectorAll('[role=tabpanel]')) {
    panel.hidden = panel.id !== panelOf(name);
  }
  changed();
}

function changed() {
  get('new').hidden = Boolean(saved());
  const names = fields();
  const value = {
    complete: names.every(n => !errorOf(n)),
    empty: !saved() && names.every(n => !form[n].value),
    collapsed: false,
    value: {type},
  };
  if (saved()) value.value.payment_method = {id: saved(), type: 'card'};
  const text = JSON.stringify(value);
  if (text !== lastChange) tell('change', value);
  lastChange = text;
}

function radio(value, text) {
  const label = document.createElement('label');
  const input = document.createElement('input');
  input.type = 'radio';
  input.name = 'saved';
  input.value = value;
  label.append(input, text);
  get('saved').append(label);
  return input;
}

function describe(method) {
  if (method.card) {
    const {brand, last4, exp_month: month, exp_year: year} = method.card;
    return `${brand[0].toUpperCase()}${brand.slice(1)} ending in ${last4}, `
      + `expires ${String(month).padStart(2, '0')}/${year}`;
  }
  const details = method[method.type] || {};
  return `${LABELS[method.type] || method.type} ending in ${details.last4}`;
}

function build() {
  for (const name of session.payment_method_types) {
    if (!LABELS[name]) continue;
    const tab = document.createElement('button');
    tab.type = 'button';
    tab.dataset.type = name;
    tab.textContent = LABELS[name];
    tab.setAttribute('role', 'tab');
    tab.setAttribute('aria-controls', panelOf(name));
    tab.addEventListener('click', () => select(name));
    get('tabs').append(tab);
  }
  get('tabs').hidden = get('tabs').children.length < 2;
  const customer = session.customer;
  if (customer && customer.payment_methods.length) {
    customer.payment_methods.forEach((method, i) => {
      radio(method.id, describe(method)).checked = !i;
    });
    radio('', 'New payment method');
    get('saved').hidden = false;
  }
  get('save').hidden = !(
    customer && customer.features.payment_method_save === 'enabled');
  select(session.payment_method_types.find(n => LABELS[n]));
  get('loader').hidden = true;
  form.hidden = false;
}

function dress(appearance) {
  const {theme = 'stripe', variables = {}} = appearance || {};
  const root = document.documentElement;
  root.dataset.theme = theme;
  for (const [name, property] of Object.entries({
    colorPrimary: '--accent', colorBackground: '--back',
    colorText: '--text', colorDanger: '--danger',
    borderRadius: '--radius', fontFamily: '--font',
  })) {
    if (variables[name]) root.style.setProperty(property, variables[name]);
  }
}

const ACTIONS = {
  appearance: dress,
  focus: () => {
    const field = form.querySelector('input:not([type=radio])');
    (form.querySelector('input:checked') || field).focus();
  },
  submit: () => validate() || {selectedPaymentMethod: type},
  confirm,
  async fetchUpdates() {
    const error = await readSession();
    return error ? {error} : {};
  },
};

async function init(value) {
  settings = value;
  dress(settings.appearance);
  const error = await readSession();
  if (error) {
    get('loader').hidden = true;
    tell('loaderror', {error});
    return;
  }
  build();
  tell('ready', {});
}

window.addEventListener('message', async event => {
  if (event.source !== window.parent) return;
  const {action, id, value} = event.data;
  if (action === 'init') init(value);
  else if (ACTIONS[action]) tell('answer', await ACTIONS[action](value), id);
});

form.addEventListener('input', event => {
  const {name, value} = event.target;
  if (name === 'number') {
    const digits = value.replace(/\D/g, '').slice(0, 19);
    event.target.value = (digits.match(/.{1,4}/g) || []).join(' ');
  } else if (name === 'expiry') {
    const digits = value.replace(/\D/g, '').slice(0, 4);
    event.target.value = digits.length > 2
      ? digits.slice(0, 2) + ' / ' + digits.slice(2) : digits;
  }
  if (CHECKS[name]) mark(name);
  changed();
});
form.addEventListener('submit', event => event.preventDefault());
form.addEventListener('focusin', () => tell('focus', {}));
form.addEventListener('focusout', () => tell('blur', {}));
document.addEventListener('keydown', event => {
  if (event.key === 'Escape') tell('escape', {});
});
new ResizeObserver(() => {
  tell('height', document.documentElement.offsetHeight);
}).observe(document.documentElement);
tell('hello');
})();
