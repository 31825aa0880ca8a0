# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Mutations of who may read and see what, of customers and of answers."""
from mutations_payment import TESTS

TESTS = TESTS + [
    'test_alert.AlertTestCase',
    'test_endpoint.EndpointTestCase',
    'test_migration.MigrationTestCase',
    'test_place.OtherTestCase',
    'test_place.PlaceTestCase',
    'test_outsider.CheckoutTestCase',
    'test_send.SendTestCase',
    ]

# Name: file, (text, replacement) ..., tests that must fail
MUTATIONS = {
    # address
    'show the address to the next payer': ('payment_workflow.py', [
            ("            if payment.party.id != int(party) and ",
                "            if False and ")],
        ['CheckoutTestCase.test_other_payer']),
    'another address each time': ('address.py', [
            ("        if not self.stripe_checkout_id:\n"
                "            self.stripe_store(",
                "        if True:\n            self.stripe_store(")],
        ['CheckoutTestCase.test_pressed_again']),
    'confirm without a place to come back to': ('payment_charge.py', [
            ("            payment.stripe_keep_address()\n", "")],
        ['MigrationTestCase.test_update']),
    'ask for what is paid': ('payment_mail.py', [
            ("            return\n", "            pass\n")],
        ['SendTestCase.test_paid_meanwhile']),
    # a copy of the database
    'charge in a copy of the database': ('gateway.py', [
            ("        if self.closed:\n", "        if False:\n")],
        ['PlaceTestCase.test_copy_charges_nothing']),
    'answer in a copy of the database': ('routes.py', [
            ("    if account.is_elsewhere:\n", "    if False:\n")],
        ['PlaceTestCase.test_copy_answers_nothing']),
    'send e-mails from a copy of the database': ('mail.py', [
            ("            if not r.stripe_own_account.is_elsewhere]",
                "            if True]")],
        ['PlaceTestCase.test_copy_asks_nobody']),
    'take another host for the same': ('account_place.py', [
            ("for name in ['host', 'cluster']:",
                "for name in ['cluster']:")],
        ['OtherTestCase.test_other', 'PlaceTestCase.test_host']),
    'tell of a refused key each time': ('account.py', [
            ("        new = [a for a in accounts if not a.error_message]\n",
                "        new = accounts\n")],
        ['AlertTestCase.test_refused_key']),
    # access
    'search by a secret': ('account.py', [
            ("    secret_key = Secret(", "    secret_key = fields.Char(")],
        ['SecretsTestCase.test_search', 'SecretsTestCase.test_reference']),
    'search by a checkout id': ('address.py', [
            ("    stripe_checkout_id = Secret(",
                "    stripe_checkout_id = fields.Char("),
            ("        holders = cls.stripe_checkout_id.holders(cls, "
                "checkout_id)\n", ""),
            ("[('id', 'in', holders)]",
                "[('stripe_checkout_id', '=', checkout_id)]")],
        ['SecretsTestCase.test_search', 'SecretsTestCase.test_context']),
    'order by a secret': ('secret.py', [
            ("    def convert_order(self, name, tables, Model):\n"
                "        self._refuse(Model)\n\n", "")],
        ['SecretsTestCase.test_search', 'SecretsTestCase.test_context']),
    'print a secret': ('secret.py', [
            ("if transaction.context and transaction.check_access:",
                "if False:")],
        ['SecretsTestCase.test_report']),
    'show any key to payers': ('secret.py', [
            ("            return None\n        return value",
                "            return value\n        return value")],
        ['KeysTestCase.test_page']),
    'take any key': ('account_keys.py', [
            ("            raise StripeKeyError(gettext(",
                "            return (gettext(")],
        ['KeysTestCase.test_wrong', 'KeysTestCase.test_earlier',
            'KeysTestCase.test_one']),
    'guess of which webhook the secret is': ('account_endpoint.py', [
            ("secret and len(others) == 1:", "secret and others:")],
        ['EndpointTestCase.test_several_by_hand']),
    'believe strangers about signatures': ('account_webhook.py', [
            ("        except StripeFailure:\n            return False",
                "        except StripeFailure:\n            return True")],
        ['EndpointTestCase.test_strangers']),
    'take the webhook of another server': ('account_connect.py', [
            ("                if Warning.check(key):",
                "                if False:")],
        ['EndpointTestCase.test_moved_without_hostname']),
    'send any key': ('gateway.py', [
            ("self.sendable = is_plain(key)", "self.sendable = True")],
        ['KeysTestCase.test_unsendable']),
    'ask again about unknown events': ('inquiry.py', [
            ("        inquiries.remember(identifier)\n", "")],
        ['InquiryTestCase.test_unknown']),
    'ask as often as strangers like': ('inquiry.py', [
            ("self._left < 1 or ", "")],
        ['InquiryTestCase.test_limit', 'InquiryTestCase.test_other']),
    'let all strangers wait': ('inquiry.py', [
            (" or self._waiting >= WAITING", "")],
        ['InquiryTestCase.test_waiting']),
    'let payers wait': ('routes.py', [
            ("            hurried(),\n", "")],
        ['PageTestCase.test_silent']),
    'wait for a silent Stripe again': ('connect.py', [
            ("if started < self._silent_until:", "if False:")],
        ['InquiryTestCase.test_silent', 'PageTestCase.test_silent']),
    'tell clients what they may not read': ('access.py', [
            ("    except AccessError:\n        return False\n",
                "    except AccessError:\n        return True\n")],
        ['ClientMethodsTestCase.test_nobody',
            'ClientMethodsTestCase.test_other_company']),
    # lead
    'another key though something exists (5)': ('policy.py', [
            ("        return failure.operation not in _FIND_FIRST",
                "        return True")],
        ['RestoreAtOnceTestCase.test_search_late']),
    'skip what is left over (5)': ('payment_restore.py', [
            ("            if _is_used(intent) "
                "or self._stripe_may_take(intent):",
                "            if _is_used(intent):"),
            ("            if i is not kept and i['status'] not in _RANK[:1]]",
                "            if i is not kept and _is_used(i)]")],
        ['RestoreEditTestCase.test_open_tab']),
    'charge what cannot be searched (5)': ('payment_restore.py', [
            ("        failure = e\n", "        return ids\n")],
        ['test_search_refused']),
    'forget what another module forgot (5)': ('payment_restore.py', [
            ("        ids = [i for i in [former, made] if i]",
                "        ids = [made] if made else []")],
        ['test_paid_meanwhile']),
    'charge the method of another token (5)': ('payment.py', [
            ("            values.setdefault('stripe_payment_method_id')\n",
                "            pass\n")],
        ['test_other_token']),
    'send a refund again at once (6)': ('refund_create.py', [
            ("        if refund._stripe_unsure_for:", "        if False:")],
        ['test_refund_later', 'test_refund_never']),
    'one key for all confirmations (6)': ('payment_charge.py', [
            ("            'idempotency_key': '%s-confirm-%s' % (\n"
                "                self.stripe_payment_intent_id, "
                "self.stripe_attempt or 0),\n",
                "            'idempotency_key': "
                "self.stripe_payment_intent_id,\n")],
        ['test_confirm_and_capture_keys']),
    'repeat what was refused (6)': ('policy.py', [
            ("        return True\n"
                "    elif isinstance(failure, StripeKeyReused)",
                "        return False\n"
                "    elif isinstance(failure, StripeKeyReused)")],
        ['test_cause_mended']),
    'ask the account of the journal (9)': ('payment.py', [
            ("        return self.stripe_intent_account "
                "or self.journal.stripe_account",
                "        return self.journal.stripe_account")],
        ['test_journal_of_other_account']),
    'give up what the key does not know (9)': ('payment_workflow.py', [
            ("                if payment._stripe_was_test:\n",
                "                if True:\n")],
        ['test_key_swapped_for_an_hour']),
    'charge as if somebody were there (11)': ('payment_charge.py', [
            ("            params['off_session'] = True\n",
                "            pass\n")],
        ['test_off_session']),
    'fail for the key of another account (17)': ('policy.py', [
            ("    elif failure.missing and not (",
                "    elif False and not (")],
        ['test_key_of_other_account', 'test_method_of_token']),
    'hold back all without a permission (26)': ('run.py', [
            ("        if meaning is Meaning.DENIED:",
                "        if meaning.of_account:")],
        ['WrongKeysTestCase.test_missing_permission']),
    'ask again without the permission (26)': ('run.py', [
            ("                    self.forbidden[account, e.operation] = e\n",
                "                    pass\n")],
        ['WrongKeysTestCase.test_missing_permission']),
    'wait long after a refused key': ('retry.py', [
            ("        if meaning.of_account:", "        if False:")],
        ['test_refused_key_mended']),
    'commit with what others have joined (4)': ('attempt.py', [
            ("    transaction._datamanagers = []\n", "")],
        ['test_joined']),
    'wait for a silent mail server (4)': ('mail.py', [
            ("                    cls._stripe_mail_later(id_, e)\n"
                "                    break\n",
                "                    raise\n")],
        ['test_login_refused']),
    'mail to nobody for ever (4)': ('mail.py', [
            ("        except _MailError as e:\n"
                "            cls._stripe_note_mail(id_, str(e))\n",
                "        except _MailError as e:\n"
                "            attempt(cls._stripe_mark, id_, True)\n")],
        ['test_bad_address']),
    # customer
    'use a customer of whoever': ('customer_owner.py', [
            ("                and self.stripe_owned_id == "
                "self.stripe_customer_id):", "                ):")],
        ['test_double_is_charged']),
    'not ask whose a customer is': ('customer_owner.py', [
            ("            elif not customer._is_owner(found):",
                "            elif False:")],
        ['test_double_is_updated', 'test_somebody_elses_is_deleted']),
    'take the customer of another company': ('customer_owner.py', [
            ("                        or other.party != customer.party):",
                "                        ):")],
        ['test_same_id_is_refused']),
    'delete what another record uses': ('customer_sync.py', [
            ("        if not others:", "        if True:")],
        ['test_double_of_the_same_party_is_deleted']),
    'forget what other keys do not know': ('customer_sync.py', [
            ("                if e.code != NOT_OWNED and not "
                "(e.missing and found):", "                if False:")],
        ['test_other_keys']),
    'keep a customer that is deleted': ('customer_owner.py', [
            ("            elif found.get('deleted'):",
                "            elif False:")],
        ['test_deleted_and_made_again']),
    'attach what is used once': ('sources.py', [
            ("            if generated:", "            if False:")],
        ['test_bank']),
    'tell that it is saved though it is not': ('customer_checkout.py', [
            ("        self.stripe_setup_refused = failed",
                "        self.stripe_setup_refused = False")],
        ['test_refused']),
    'insist on an e-mail address': ('customer_sync.py', [
            ("            if name in party:", "            if False:")],
        ['test_refused_email']),
    'leave the name of a replaced party': ('customer_sync.py', [
            ("        if mode == 'write' and 'party' in field_names:",
                "        if False:")],
        ['test_replaced_party']),
    'look all the time at what nobody finishes': ('customer_checkout.py', [
            ("condition &= cls.stripe_due(table)\n", "pass\n")],
        ['test_unfinished']),
    # replays and missed charges
    'take what Stripe repeats for what is so': ('payment_intent.py', [
            ("                if not replayed:", "                if True:")],
        ['test_replayed_page', 'test_charge_page']),
    'miss who paid without an event (15)': ('account_compare.py', [
            ("            if payment.stripe_intent_status in UNPAID:",
                "            if False:")],
        ['test_paid_on_page', 'test_paid_on_page_without_cron']),
    'miss who paid before a restore without an event': (
        'account_compare.py', [
            ("        cls._adopt_charges(account_id, {\n",
                "        dict({\n")],
        ['test_no_event']),
    'look for what was paid too late (15)': ('account_compare.py', [
            ("            min(account.compared_at or now, now) - CHARGES,",
                "            now - CHARGES,")],
        ['test_paid_on_page_without_cron']),
    'refuse what was made of a token with other keys': ('payment_charge.py', [
            ("                self.stripe_token "
                "and not self.stripe_payment_method_id))",
                "                self.stripe_token))")],
        ['test_method_of_token']),
    # customers
    'send a change of a party only at once': ('customer_sync.py', [
            ("            cls._send_again()", "            pass")],
        ['test_change_not_taken']),
    'believe the id of a record after a restore': ('customer_owner.py', [
            ("                    (here and not self._is_of_other(\n"
                "                            metadata.get('tryton_party')))",
                "                    here")],
        ['test_restored']),
    'compare only who may list events': ('account.py', [
            ("                if not e.forbidden:\n"
                "                    continue", "                continue")],
        ['test_events_forbidden']),
    'compare at an old time': ('gateway.py', [
            ("                    self._local.answered_at = failure.at",
                "                    pass")],
        ['test_events_forbidden']),
    # page
    'charge the amount that the page had': ('payment_charge.py', [
            ("                    'amount': stripe_amount(\n"
                "                        payment.amount, payment.currency, "
                "payment),\n", "")],
        ['test_amount_charged']),
    'let pay another amount than is shown': ('payment_checkout.py', [
            ("                return self._stripe_fit_intent(gateway, intent)",
                "                return intent")],
        ['test_amount', 'test_amount_refused']),
    # journal
    'let a journal leave Stripe': ('journal.py', [
            ("                values.get('process_method', 'stripe') "
                "!= 'stripe'):",
                "                False):")],
        ['JournalTestCase.test_open_page',
            'JournalTestCase.test_answer_lost']),
    'let a payment leave Stripe': ('payment_review.py', [
            ("                if payment.stripe_is_known and (",
                "                if False and (")],
        ['test_moved']),
    'another key after a failed reading': ('policy.py', [
            ("    if failure.reading:\n        return False\n    elif",
                "    if")],
        ['UnsureTestCase.test_reading_fails']),
    # answers of others
    'take any answer for one of Stripe': ('gateway.py', [
            ("                if not is_answer(operation, ids, answer.data):",
                "                if not isinstance(answer.data, dict):")],
        ['AnswersTestCase.test_webhook', 'AnswersTestCase.test_page']),
    'believe the no of anybody': ('gateway.py', [
            ("            and is_error(_body_of(error))",
                "            and details is not None")],
        ['AnswersTestCase.test_charge']),
    # engine
    'choose again what was chosen': ('payment_customer.py', [
            ("            If(Eval('state').in_(CHOOSING), "
                "cls.stripe_customer.domain, []),",
                "            cls.stripe_customer.domain,")],
        ['test_given_up_at_former_account']),
    'keep that another account had no event': ('account_keys.py', [
            ("                    if a.fetched_at and not a.last_event],",
                "                    if False],")],
        ['test_made_by_another_key']),
    'forget who noted a success': ('store.py', [
            ("[user.id]['employee'] = employee",
                "[user.id]['employee'] = None")],
        ['test_employee']),
    'note a success for another employee': ('store.py', [
            ("    if 'employee' in transaction.context:\n",
                "    if False:\n")],
        ['test_employee']),
    'keep events of no interest': ('event_receive.py', [
            ("        if event['type'] not in cls.handlers():\n"
                "            # Nothing", "        if False:\n"
                "            # Nothing")],
        ['test_database_lost_at_an_event_of_no_interest']),
    'compare by the account of the journal': ('account_compare.py', [
            ("                if payment.stripe_own_account.id == account_id:",
                "                if payment.journal.stripe_account.id "
                "== account_id:")],
        ['test_missed_at_former_account']),
    }
