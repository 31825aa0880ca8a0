// This file is part of Tryton.  The COPYRIGHT file at the top level of
// this repository contains the full copyright notices and license terms.
//
// The frame in which the bank asks the payer.
(() => {
'use strict';

const params = new URLSearchParams(window.location.hash.slice(1));

async function answer(event) {
  for (const button of document.querySelectorAll('button')) {
    button.disabled = true;
  }
  await fetch('/v1/3ds2/authenticate', {
    method: 'POST',
    headers: {
      Authorization: 'Bearer ' + params.get('key'),
      'Content-Type': 'application/x-www-form-urlencoded'},
    body: new URLSearchParams({
      source: params.get('source'),
      client_secret: params.get('secret'),
      succeed: event.target.value}),
  });
  window.parent.postMessage({action: 'challenged'}, '*');
}

for (const button of document.querySelectorAll('button')) {
  button.addEventListener('click', answer);
}
})();
