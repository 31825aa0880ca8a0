# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Mutations of what charges and refunds, and of what payers meet."""

# The test cases that hold the tests below
TESTS = [
    'test_faults.StoryTestCase',
    'test_answers.AnswersTestCase',
    'test_faults_events.EventStoryTestCase',
    'test_restore.RestoreTestCase',
    'test_restore_edit.RestoreEditTestCase',
    'test_restore_edit.SetBackTestCase',
    'test_restore_edit.RestoreAtOnceTestCase',
    'test_restore_edit.ReplayedTestCase',
    'test_restore_edit.FormerIntentTestCase',
    'test_unsure.UnsureTestCase',
    'test_wrong_keys.WrongKeysTestCase',
    'test_mail.MailTestCase',
    'test_dispute.DisputeTestCase',
    'test_partial_capture.PartialCaptureTestCase',
    'test_refund_left.RefundLeftTestCase',
    'test_compare.CompareTestCase',
    'test_compare.LateEventTestCase',
    'test_currency.DigitsTestCase',
    'test_currency_journal.JournalCurrencyTestCase',
    'test_currency_other.OtherCurrencyTestCase',
    'test_journal.JournalTestCase',
    'test_unknown.UnknownTestCase',
    'test_faults_money.MailStoryTestCase',
    'test_instructions.InstructionsTestCase',
    'test_payer.PayerTestCase',
    'test_transfer.TransferTestCase',
    'test_secrets.SecretsTestCase',
    'test_keys.KeysTestCase',
    'test_inquiry.InquiryTestCase',
    'test_inquiry.PageTestCase',
    'test_insert.InsertTestCase',
    'test_access.ClientMethodsTestCase',
    'test_customer.CustomerTestCase',
    'test_customer_owner.OwnerTestCase',
    'test_customer_setup.AddTestCase',
    'test_customer_email.RefusedEmailTestCase',
    'test_customer_deleted.DeletedTestCase',
    'test_faults_worlds.WorldStoryTestCase',
    'test_faults_worlds.AfterwardsStoryTestCase',
    'test_payment_workflow.WorkflowTestCase',
    'test_dispute_record.DisputeRecordTestCase',
    'test_refund_elsewhere.RefundElsewhereTestCase',
    ]

# Name: file, (text, replacement) ..., tests that must fail
MUTATIONS = {
    'refund what a dispute forbids': ('refund.py', [
            ("                if not dispute.refundable:",
                "                if False:")],
        ['test_forbidden']),
    'tell of a refund that may be ours': ('refund_create.py', [
            ("            elif is_told:", "            else:")],
        ['test_of_earlier']),
    'take another refund of the same key': ('refund_create.py', [
            ("            if r.stripe_idempotency_key and not "
                "r.stripe_refund_id}",
                "            if r.stripe_idempotency_key}")],
        ['test_named_twice']),
    'tell of a refund that names a record': ('refund_create.py', [
            ("by_id.get(refund['id']) or by_key.pop(key, None)",
                "by_id.get(refund['id'])")],
        ['test_named']),
    'take the answer that is older': ('refund_create.py', [
            ("                (r for r in state.refunds or [] if r['id'] == "
                "answer['id']),\n", "                iter([]),\n")],
        ['test_gone_on']),
    'leave a dispute closed': ('dispute.py', [
            ("                values['closed_at'] = None\n",
                "                pass\n")],
        ['test_record_reopened']),
    'compare no records of disputes': ('account_compare.py', [
            ("            if (not all(k and k.stripe_is_same(d) "
                "for k, d in zip(known, ours))\n"
                "                    or payment", "            if (payment")],
        ['test_record_compared']),
    'refuse what is unknown (500)': ('gateway.py', [
            ("error.http_status in {400, 402, 404}",
                "error.http_status in {400, 402, 404, 500}")],
        ['test_saved_failure_of_refund', 'test_each_fault_at_each_request']),
    'refuse time-outs': ('gateway.py', [
            ("(error.http_status in {400, 402, 404}",
                "(error.http_status in {400, 402, 404, None}"),
            ("            and is_error(_body_of(error))\n", "")],
        ['test_gone_after_confirm']),
    'refuse a wrong key': ('gateway.py', [
            ("error.http_status in {401, 403}",
                "error.http_status in {499}"),
            ("error.http_status in {400, 402, 404}",
                "error.http_status in {400, 401, 402, 403, 404}")],
        ['test_wrong_key']),
    'confirm again what was refused': ('payment_charge.py', [
            ("            and not state.error_message\n", ""),
            ("            and not state.charge\n", ""),
            ("            and (state.status == 'requires_confirmation'\n"
                "                or (state.status == "
                "'requires_payment_method'\n"
                "                    and not self.stripe_confirmed)))",
                "            and state.status in OPEN)")],
        ['test_mailed_once', 'test_error_cleared']),
    'confirm without a stored intent': ('payment_intent.py', [
            ("        payment.stripe_set_intent(intent)",
                "        payment.stripe_attempt = (\n"
                "            payment.stripe_attempt or 0) + 1\n"
                "        payment.stripe_payment_intent_id = intent['id']")],
        ['test_killed', 'test_each_fault_at_each_request']),
    'another intent without reading the first': ('payment_intent.py', [
            ("        return bool(self.stripe_payment_intent_id "
                "or self.stripe_charge_id)",
                "        return self.stripe_intent_status == 'succeeded'"),
            ("            stripe_former_intent_id=intent['id'],\n", ""),
            ("        if not intent or payment.stripe_payment_intent_id:\n",
                "        if not intent:\n"),
            ("                        'idempotency_key': key,\n", "")],
        ['test_gone_after_confirm', 'test_killed']),
    'apply stale states': ('payment_state.py', [
            ("        if not fresh and self._stripe_may_be_old(state):",
                "        if False:")],
        ['test_stale_event_of_a_debit']),
    'take the start of a slow answer for its end': ('payment_state.py', [
            ("from_timestamp(state.at.last)",
                "from_timestamp(state.at.first)")],
        ['test_event_while_the_answer_is_slow']),
    'leave out events after a jump of the clock': ('account.py', [
            ("from_timestamp(at.first)", "dt.datetime.now()"),
            ("                Event.fetch_new(account)",
                "                if not account.webhook_identifier:\n"
                "                    Event.fetch_new(account)")],
        ['test_clock_of_the_server_and_events']),
    'take back what is final': ('payment_state.py', [
            ("        if not state.complete and not state.final and (\n"
                "                self.stripe_intent_status in FINAL):\n"
                "            return\n", ""),
            ("        if not fresh and self._stripe_may_be_old(state):",
                "        if False:")],
        ['test_late_events', 'test_stale_event_of_a_debit']),
    'forget refunds': ('payment_state.py', [
            ("- (self.stripe_refunded_amount or 0)", "- 0")],
        ['test_lost_events', 'test_gone_after_refund']),
    'forget disputes': ('payment_state.py', [
            ("- (self.stripe_lost_amount or 0)", "- 0")],
        ['test_late_events']),
    'count refunds that failed': ('state.py', [
            ("r['amount'] for r in data if r['status'] == 'succeeded'",
                "r['amount'] for r in data")],
        ['test_bounced_refund']),
    'send refunds again without looking': ('refund_create.py', [
            ("        if answer:\n            return answer\n", "")],
        ['test_saved_failure_of_refund', 'test_gone_after_refund']),
    'send refunds before it is stored': ('refund_create.py', [
            ("        refund.stripe_store("
                "stripe_sent_at=_utc_now(), stripe_try_at=None)\n"
                "        if refund.state != 'processing':\n"
                "            cls.process([refund])\n", "")],
        ['test_refund_under_way']),
    'draft without cancelling': ('payment_workflow.py', [
            ("        cls._stripe_release(cls._stripe(payments))\n"
                "        cls._stripe_fit(cls._stripe(payments))\n"
                "        super().draft", "        super().draft")],
        ['test_drafted_with_open_page', 'test_drafted_when_paid']),
    'fail without cancelling': ('payment_workflow.py', [
            ("            cls._stripe_release(cls._stripe(payments))\n"
                "        cls._stripe_fit(cls._stripe(payments))\n"
                "        super().fail", "            pass\n"
                "        super().fail")],
        ['test_failed_with_open_page']),
    'keep the digits that the currency had': ('payment_workflow.py', [
            ("                payment.stripe_store(\n"
                "                    **{n: getattr(payment, n) "
                "for n in AMOUNTS})", "                pass")],
        ['test_digits_are_reduced_before_it_ends']),
    'apply events twice': ('event_receive.py', [
            ("        if record and record.state == 'applied':\n"
                "            return True\n", "        record = None\n")],
        ['test_late_events']),
    'fail where another was faster to keep the event': ('event_receive.py', [
            ("    except (SQLConstraintError, "
                "backend.DatabaseIntegrityError):",
                "    except SQLConstraintError:")],
        ['test_twice']),
    'keep rows from the triggers of others': ('store.py', [
            ("        Trigger.get_triggers(cls.__name__, 'create')\n",
                "        False\n")],
        ['test_trigger']),
    'log nothing of events': ('store.py', [
            ("    insert(log)\n", "")],
        ['test_same']),
    'mail to nobody of what Stripe was asked': ('event_receive.py', [
            ("isinstance(result, list) and not tells_all(event)",
                "False")],
        ['test_by_event']),
    'drop events that fail': ('event_receive.py', [
            ("        _attempt_first(fail, error)\n        return False",
                "        return True")],
        ['test_event_that_fails']),
    'move on without keeping what fails': ('event_receive.py', [
            ("            cls.keep_failed(account, event, error, "
                "by_webhook)\n"
                "            if after:", "            if after:")],
        ['test_event_that_fails']),
    'never read undelivered events': ('event_fetch.py', [
            ("                    account.gateway, None, types=types,",
                "                    account.gateway, None, types=['none'],")],
        ['test_lost_events', 'test_bounced_refund']),
    'trust any version': ('event_handlers.py', [
            ("    return event.get('api_version') == STRIPE_VERSION",
                "    return True")],
        ['test_newer_version']),
    'trust anybody': ('account_webhook.py', [
            ("            if secret:\n", "            if False:\n"),
            ("        if secret or any(", "        if True or any(")],
        ['test_forged']),
    'mail at each look': ('payment_state.py', [
            ("            and (self.stripe_intent_status in {\n"
                "                    'requires_confirmation', "
                "'processing'}\n", "            and (True\n")],
        ['test_mailed_once']),
    'capture all': ('payment_charge.py', [
            ("state.intent, amount_to_capture=amount, ",
                "state.intent, ")],
        ['test_captured_amount']),
    'cents of yen': ('amount.py', [
            ("'DJF', 'GNF', 'JPY', ", "'DJF', 'GNF', ")],
        ['test_currencies']),
    'log what is sent': ('gateway.py', [
            ("            started = time.monotonic()\n            try:",
                "            started = time.monotonic()\n"
                "            logger.info('%s', self._client._requestor."
                "api_key)\n            try:")],
        ['test_captured_amount']),
    'wait for ever after a jump of the clock': ('retry.py', [
            ("            | (table.stripe_try_at > now + "
                "cls._stripe_longest_pause))", ")")],
        ['test_clock_of_the_server']),
    'forget what a restored database forgot': ('payment_restore.py', [
            ("        return account.is_behind or bool(",
                "        return False and bool(")],
        ['test_charged', 'test_processed_again']),
    'trust a clock that was set back': ('account.py', [
            ("        return not -PAUSE <= age <= PAUSE",
                "        return age > PAUSE")],
        ['test_page_set_back']),
    'trust a clock that was set back, without events': (
        'payment_restore.py', [
            ("            return not -ZONES <= age <= KEPT - ZONES",
                "            return age > KEPT - ZONES")],
        ['test_page_set_back_of_new_account']),
    'ignore the events of what it forgot': ('payment_restore.py', [
            ("        if not _is_used(intent):\n            return []\n",
                "        return []\n")],
        ['RestoreTestCase.test_event', 'test_draft']),
    'take back an intent that was cancelled': ('payment_restore.py', [
            ("        intent = account.gateway.payment_intents.retrieve("
                "intent['id'])\n", "")],
        ['test_cancelled']),
    # dispute
    'believe the word of a dispute': ('taken.py', [
            ("    gone = _gone(dispute, rows)\n",
                "    gone = dispute['amount'] if status == 'lost' else 0\n")],
        ['test_appeal', 'test_won_in_part', 'test_unknown_status']),
    'take off what is only at risk': ('taken.py', [
            ("    if status in OPEN or (\n", "    if (\n")],
        ['test_open']),
    'lose what was won and is not back yet': ('taken.py', [
            ("            status == 'won' and not any("
                "r['amount'] > 0 for r in rows)):", "            False):")],
        ['test_won_before_the_money']),
    'count the refund of a dispute twice': ('taken.py', [
            ("        if r['id'] not in refunds\n"
                "        and r.get('reporting_category') not in OTHER_MONEY]",
                "        ]")],
        ['test_prevented_with_refund']),
    'lose by the rate of exchange': ('taken.py', [
            ("    if returned and kept < (", "    if False and kept < (")],
        ['test_settlement_currency']),
    'hear of disputes only at begin and end': ('event_handlers.py', [
            ("    'charge.dispute.updated': (", "    'none': ("),
            ("    'charge.dispute.funds_withdrawn': (", "    'nothing': (")],
        ['test_only_funds']),
    'forget a dispute that is not read': ('payment_state.py', [
            ("return state.dispute_status or not self.stripe_dispute_status",
                "return True")],
        ['test_read_before_the_dispute_was_known']),
    'count the release as a refund': ('state.py', [
            ("        if release and (", "        if False and (")],
        ['test_released', 'test_released_long_ago']),
    'take a refund for the release': ('state.py', [
            ("(sure or self._is_booked_whole(gateway, charge))", "True")],
        ['test_refunded_as_much_as_not_captured']),
    'submit more refunds than is left': ('refund.py', [
            ("        cls._check_left(refunds, OPEN)\n", "")],
        ['test_submit_twice', 'test_submit_together']),
    'approve more refunds than is left': ('refund.py', [
            ("        cls._check_left(refunds, ['approved', 'processing'])\n",
                "")],
        ['test_approve_second', 'test_approve_less_left']),
    'never compare': ('account.py', [
            ("if cls(account_id).is_compare_due:", "if False:")],
        ['test_dashboard_refund', 'test_late_failure', 'test_missed_dispute']),
    'compare refunds by their sum alone': ('account_compare.py', [
            ("            if any(\n"
                "                    states.get(id_) != STATES.get(",
                "            if False and any(\n"
                "                    states.get(id_) != STATES.get(")],
        ['test_compared']),
    'never look back': ('event_fetch.py', [
            ("            cls._fetch_late(account)\n", "            pass\n")],
        ['test_late', 'test_late_after_a_failed_run']),
    # money
    'keep the digits of Stripe': ('amount.py', [
            ("if amount.as_tuple().exponent < -digits:", "if False:")],
        ['test_digits_by_event', 'test_inexact']),
    'send more digits than Stripe takes': ('amount.py', [
            ("MAX_DIGITS = 8", "MAX_DIGITS = 12")],
        ['test_too_many_digits']),
    'mind the case of currencies': ('amount.py', [
            ("    currency = currency.upper()\n", "")],
        ['test_lower_case']),
    'book what is in another currency': ('payment_review.py', [
            ("if currency and currency != self.currency.code.upper():",
                "if False:")],
        ['test_paid_in_other_currency', 'test_refund_in_other_currency',
            'test_capture_in_other_currency']),
    'change the currency of a journal': ('journal.py', [
            ("if mode == 'write' and values.get('currency'):", "if False:")],
        ['test_journal_currency']),
    'pay what is unclear': ('payment_checkout.py', [
            ("'open' if self.stripe_is_clear else 'unavailable'",
                "'open'")],
        ['test_page_in_other_currency', 'test_pages']),
    'forget what is unknown': ('payment_state.py', [
            ("if problem or state.unknown:", "if problem:")],
        ['test_not_confirmed', 'test_refund_by_word']),
    'give up what is unknown': ('payment_workflow.py', [
            ("elif keep and state.status != 'canceled':", "elif False:")],
        ['UnknownTestCase.test_buttons']),
    'lose the e-mails that are greylisted': ('mail.py', [
            ("if is_passing(e):", "if False:")],
        ['test_each_mail_server']),
    'store what no selection has': ('store.py', [
            ("if value not in known and UNKNOWN in known:", "if False:")],
        ['test_store']),
    # payer
    'a voucher is not paid (21)': ('payment_state.py', [
            ("'transfer' if state.waits_for else ", "")],
        ['TransferTestCase.test_waiting', 'test_partly']),
    'give up what is on its way (21)': ('payment_workflow.py', [
            ("            elif state.transferred:\n"
                "                partly.append((payment, state))\n", "")],
        ['test_partly_guarded']),
    'cancel before it is looked (21)': ('payment_workflow.py', [
            ("        unpaid = cls._stripe_unpaid("
                "payments, cls.stripe_read)\n",
                "        unpaid = [\n"
                "            (p, PaymentState('')) for p in payments]\n")],
        ['test_partly_guarded']),
    'ask nobody about a voucher (21)': ('payment_workflow.py', [
            ("        if Warning.check(key):\n"
                "            raise StripeTransferWarning(",
                "        if False:\n"
                "            raise StripeTransferWarning(")],
        ['test_voucher_guarded']),
    'pay the whole when a part has arrived (21)': ('payment_checkout.py', [
            ("            if not other or state.transferred:\n",
                "            if not other:\n")],
        ['test_partly']),
    'link to anything (21)': ('page.py', [
            ("    if isinstance(url, str) and re.fullmatch(",
                "    if url or re.fullmatch(")],
        ['test_hosts', 'test_hostile_link']),
    'the session of the customer of the record (28)': (
        'payment_checkout.py', [
            ("self.stripe_session_params(intent['customer'])",
                "self.stripe_session_params(\n"
                "                    self.stripe_customer.stripe_customer_id)"
                )],
        ['test_session_of_intent']),
    'refund without a word to the payer (28)': ('refund_create.py', [
            ("        if self.stripe_instructions_email:\n",
                "        if False:\n")],
        ['test_instructions_email']),
    'another e-mail under the same key (28)': ('refund_create.py', [
            ("params['instructions_email'] = self.stripe_instructions_email",
                "params['instructions_email'] = "
                "self.stripe_email_addresses()[0]")],
        ['test_instructions_email_stays']),
    'let any payer remove what is saved (29)': ('payment_checkout.py', [
            ("                            'enabled' if remove else "
                "'disabled'),", "                            'enabled'),")],
        ['test_session']),
    'offer what the payer has removed (29)': ('customer_method.py', [
            ("        if customers:\n"
                "            cls.clear_stripe_caches()\n", "")],
        ['test_removed']),
    }
