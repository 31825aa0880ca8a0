# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What Stripe tells of what payers have to do elsewhere."""
import unittest

from trytond.modules.account_payment_stripe.page import hosted_url
from trytond.modules.account_payment_stripe.state import (
    PaymentState, instructions)


class InstructionsTestCase(unittest.TestCase):
    "Test which next actions last"

    def intent(self, type_, status='requires_action', **details):
        return {
            'id': 'pi_1',
            'amount': 4200,
            'status': status,
            'next_action': {'type': type_, type_: details},
            }

    def test_lasting(self):
        for type_, hosted, until, waits_for in [
                ('boleto_display_details', 'voucher', 'expires_at',
                    'voucher'),
                ('konbini_display_details', 'voucher', 'expires_at',
                    'voucher'),
                ('multibanco_display_details', 'voucher', 'expires_at',
                    'voucher'),
                ('oxxo_display_details', 'voucher', 'expires_after',
                    'voucher'),
                ('pix_display_qr_code', 'instructions', 'expires_at',
                    'code'),
                ('wechat_pay_display_qr_code', 'instructions', None, 'code'),
                ('display_bank_transfer_instructions', 'instructions', None,
                    'transfer'),
                ('verify_with_microdeposits', 'verification', None,
                    'deposits'),
                # Not known yet
                ('future_display_details', 'voucher', 'expires_at', 'other'),
                ]:
            with self.subTest(type=type_):
                url = 'https://payments.stripe.com/1'
                details = {'hosted_%s_url' % hosted: url}
                if until:
                    details[until] = 1800000000
                state = PaymentState.from_intent(
                    self.intent(type_, **details))
                self.assertEqual(state.waits_for, waits_for)
                self.assertEqual(state.instructions_url, url)
                self.assertEqual(
                    state.waits_until, 1800000000 if until else None)
                self.assertIsNone(state.amount_remaining)
                self.assertEqual(state.transferred, 0)

    def test_not_lasting(self):
        for type_, details in [
                ('redirect_to_url', {'url': 'https://hooks.stripe.com/1'}),
                ('use_stripe_sdk', {'type': 'three_d_secure_redirect'}),
                ('blik_authorize', {}),
                ('alipay_handle_redirect', {'url': 'https://stripe.com'}),
                ('wechat_pay_redirect_to_ios_app', {'native_url': 'weixin:'}),
                ('future_authorize', {'url': 'https://stripe.com'}),
                ]:
            with self.subTest(type=type_):
                state = PaymentState.from_intent(
                    self.intent(type_, **details))
                self.assertIsNone(state.waits_for)
                self.assertIsNone(state.instructions_url)

    def test_other_status(self):
        for status in ['processing', 'requires_payment_method', 'future']:
            self.assertEqual(instructions(self.intent(
                        'oxxo_display_details', status=status,
                        hosted_voucher_url='https://stripe.com')), {})

    def test_strange(self):
        for action in [
                None, {}, {'type': None}, {'type': 'future'},
                {'type': 'future', 'future': None},
                {'type': 'future', 'future': "text"},
                {'type': 'future', 'future': {'hosted_x_url': None}},
                ]:
            with self.subTest(action=action):
                self.assertEqual(instructions({
                            'id': 'pi_1', 'status': 'requires_action',
                            'next_action': action}), {})
        self.assertEqual(
            instructions(self.intent('oxxo_display_details'))['waits_for'],
            'voucher')

    def test_partly_funded(self):
        state = PaymentState.from_intent(self.intent(
                'display_bank_transfer_instructions',
                hosted_instructions_url=None, amount_remaining=1200))
        self.assertEqual(state.waits_for, 'transfer')
        self.assertEqual(state.amount_remaining, 1200)
        self.assertEqual(state.transferred, 3000)

    def test_hosts(self):
        "Only what is at Stripe is linked to"
        js = 'https://js.stripe.com/endive/stripe.js'
        for url in [
                'https://payments.stripe.com/voucher/test_1?locale=de',
                'https://stripe.com',
                ]:
            self.assertEqual(hosted_url(url, js), url)
        for url in [
                None, '', 1, 'javascript:alert(1)',
                'data:text/html,https://stripe.com/',
                'http://payments.stripe.com/1', '//payments.stripe.com/1',
                'https://stripe.com.example.com/', 'https://xstripe.com/',
                'https://payments.stripe.com@example.com/',
                'https://example.com\\@payments.stripe.com/',
                'https://example.com/payments.stripe.com/',
                'https://example.com#.stripe.com/',
                'https://payments.stripe.com/"><script>',
                'https://payments.stripe.com/ x',
                'https://payments.stripe.com/\n',
                ' https://payments.stripe.com/1',
                'https://payments.stripe.com:8443/',
                'http://localhost:8080/1',
                ]:
            with self.subTest(url=url):
                self.assertIsNone(hosted_url(url, js))
        stand_in = 'http://localhost:8080/js/stripe.js'
        self.assertEqual(
            hosted_url('http://localhost:8080/1', stand_in),
            'http://localhost:8080/1')
        for url in [
                'http://localhost:8081/1', 'http://localhost:80801/',
                'http://localhost:8080@example.com/',
                'https://localhost:8080/1', 'http://localhost:8080/"']:
            with self.subTest(url=url):
                self.assertIsNone(hosted_url(url, stand_in))
