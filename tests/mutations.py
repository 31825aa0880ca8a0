# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Break the module on purpose and see that a test fails.

    python tests/mutations.py [-j JOBS] [-l] [NAME ...]

Each mutation replaces text in a temporary copy of the module and runs the
tests that must fail. Prints a table and fails if a mutation survives.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODULE = 'trytond.modules.account_payment_stripe'
TESTS = [
    MODULE + '.tests.test_faults.StoryTestCase',
    MODULE + '.tests.test_faults_events.EventStoryTestCase',
    MODULE + '.tests.test_restore.RestoreTestCase',
    MODULE + '.tests.test_customer_owner.OwnerTestCase',
    MODULE + '.tests.test_customer_setup.SetupTestCase',
    ]
LEFT_OUT = shutil.ignore_patterns(
    '.git', '.cache', '.venv', '__pycache__', '*.egg-info', 'build')
# Python finds the copy before any other installation of the module
FINDER = '''
import sys
from importlib.machinery import PathFinder
from importlib.util import spec_from_file_location

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == %(module)r:
            return spec_from_file_location(
                name, %(root)r + '/__init__.py',
                submodule_search_locations=[%(root)r])
        if name.rpartition('.')[0] == %(module)r:
            return PathFinder.find_spec(name, [%(root)r])

sys.meta_path.insert(0, Finder)
'''

# Name: file, (text, replacement) ..., tests that must fail
MUTATIONS = {
    'refuse what is unknown (500)': ('gateway.py', [
            ("error.http_status in {400, 402, 404}",
                "error.http_status in {400, 402, 404, 500}")],
        ['test_saved_failure_of_refund', 'test_each_fault_at_each_request']),
    'refuse time-outs': ('gateway.py', [
            ("(error.http_status in {400, 402, 404}",
                "(error.http_status in {400, 402, 404, None}"),
            ("            and details is not None\n", "")],
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
            ("            payment._stripe_look_later()\n\n    @classmethod\n"
                "    def _stripe_read",
                "            yield from cls._stripe_confirm(\n"
                "                id_, gateway, state)\n\n    @classmethod\n"
                "    def _stripe_read")],
        ['test_mailed_once']),
    'confirm without a stored intent': ('payment_charge.py', [
            ("        payment.stripe_set_intent(\n"
                "            intent,",
                "        payment.stripe_attempt = (\n"
                "            payment.stripe_attempt or 0) + 1\n"
                "        payment.stripe_payment_intent_id = intent['id']\n"
                "        False and payment.stripe_set_intent(\n"
                "            intent,")],
        ['test_killed', 'test_each_fault_at_each_request']),
    'another intent without reading the first': ('payment_charge.py', [
            ("        if payment.stripe_payment_intent_id "
                "or payment.stripe_charge_id:\n",
                "        if payment.stripe_intent_status == 'succeeded':\n"),
            ("        if not payment or payment.stripe_payment_intent_id:\n",
                "        if not payment:\n"),
            ("payment_method=method, "
                "idempotency_key=payment.stripe_create_key)",
                "payment_method=method)")],
        ['test_gone_after_confirm', 'test_killed']),
    'apply stale states': ('payment_state.py', [
            ("        if not sure and self._stripe_may_be_old(state):",
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
            ("        if not sure and self._stripe_may_be_old(state):",
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
            ("            # Committed before it is sent\n"
                "            cls.process([refund])\n", "")],
        ['test_refund_under_way']),
    'draft without cancelling': ('payment_workflow.py', [
            ("        cls._stripe_release(cls._stripe(payments))\n"
                "        super().draft", "        super().draft")],
        ['test_drafted_with_open_page', 'test_drafted_when_paid']),
    'fail without cancelling': ('payment_workflow.py', [
            ("            cls._stripe_release(cls._stripe(payments))\n"
                "        super().fail", "            pass\n"
                "        super().fail")],
        ['test_failed_with_open_page']),
    'apply events twice': ('event.py', [
            ("        if record and record.state == 'applied':\n"
                "            return True\n", "        record = None\n"),
            ("Unique(table, table.account, table.identifier)",
                "Unique(table, table.id)")],
        ['test_late_events']),
    'drop events that fail': ('event.py', [
            ("        _attempt_first(fail, message)\n        return False",
                "        return True")],
        ['test_event_that_fails']),
    'move on without keeping what fails': ('event.py', [
            ("            cls.keep_failed(account, event, message)\n"
                "            if after:", "            if after:")],
        ['test_event_that_fails']),
    'never read undelivered events': ('event_fetch.py', [
            ("                    account.gateway, None, types=types,",
                "                    account.gateway, None, types=['none'],")],
        ['test_lost_events', 'test_bounced_refund']),
    'trust any version': ('event.py', [
            ("    return event.get('api_version') == STRIPE_VERSION",
                "    return True")],
        ['test_newer_version']),
    'trust anybody': ('account.py', [
            ("            if self.webhook_signing_secret:",
                "            if False:"),
            ("        if not self.webhook_signing_secret:\n"
                "            # Anybody", "        if False:\n"
                "            # Anybody")],
        ['test_forged']),
    'mail at each look': ('payment_state.py', [
            ("            and self.stripe_intent_status in {\n"
                "                'requires_confirmation', 'processing'})",
                "            )")],
        ['test_mailed_once']),
    'capture all': ('payment_capture.py', [
            ("state.intent, amount_to_capture=amount)",
                "state.intent)")],
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
    'wait for ever after a jump of the clock': ('payment_charge.py', [
            ("                    | (table.stripe_try_at > now + LAST_LOOK)",
                "")],
        ['test_clock_of_the_server']),
    'forget what a restored database forgot': ('payment_restore.py', [
            ("        return account.is_behind or bool(",
                "        return False and bool(")],
        ['test_charged', 'test_processed_again']),
    'ignore the events of what it forgot': ('payment_restore.py', [
            ("        if not _is_used(intent):\n            return []\n",
                "        return []\n")],
        ['test_event', 'test_draft']),
    'take back an intent that was cancelled': ('payment_restore.py', [
            ("        intent = account.gateway.payment_intents.retrieve("
                "intent['id'])\n", "")],
        ['test_cancelled']),
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
            ("                if e.missing and not found:",
                "                if False:")],
        ['test_other_keys']),
    'keep a customer that is deleted': ('customer_owner.py', [
            ("            elif found.get('deleted'):",
                "            elif False:")],
        ['test_deleted_and_made_again']),
    'attach what is used once': ('sources.py', [
            ("            if generated:", "            if False:")],
        ['test_bank']),
    'tell that it is saved though it is not': ('customer_checkout.py', [
            ("                customer.stripe_setup_refused = failed",
                "                customer.stripe_setup_refused = False")],
        ['test_refused']),
    'insist on an e-mail address': ('customer_sync.py', [
            ("            if name in party:", "            if False:")],
        ['test_refused_email']),
    'leave the name of a replaced party': ('customer_sync.py', [
            ("        if mode == 'write' and 'party' in field_names:",
                "        if False:")],
        ['test_replaced_party']),
    'look all the time at what nobody finishes': ('customer_checkout.py', [
            ("                condition &= is_due(table, now)\n",
                "                pass\n")],
        ['test_unfinished']),
    }


def prepare(folder, name):
    "Return the copy of the module with the mutation"
    file, replacements, _ = MUTATIONS[name]
    copy = folder / re.sub(r'\W+', '-', name)
    root = copy / 'module'
    shutil.copytree(ROOT, root, ignore=LEFT_OUT)
    path = root / file
    source = path.read_text()
    for text, replacement in replacements:
        if source.count(text) != 1:
            raise ValueError("%s: found %s times in %s:\n%s" % (
                    name, source.count(text), file, text))
        source = source.replace(text, replacement)
    compile(source, str(path), 'exec')
    path.write_text(source)
    (copy / 'usercustomize.py').write_text('')
    return copy


def run(copy, tests, cache):
    "Return the exit code and the output of the tests of the copy"
    root = copy / 'module'
    start = FINDER % {'module': MODULE, 'root': str(root)} + (
        "\nimport unittest\nunittest.main(module=None)\n")
    env = dict(
        os.environ, TRYTOND_DATABASE__URI='sqlite://', DB_NAME=':memory:',
        DB_CACHE=str(cache), PYTHONWARNINGS='ignore',
        PYTHONDONTWRITEBYTECODE='1')
    process = subprocess.run(
        [sys.executable, '-c', start, '-f', *TESTS,
            *('-k=*.' + t for t in tests)],
        cwd=root, env=env, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return process.returncode, process.stdout


def outcome(output):
    "Return the first test that failed and why"
    failed = re.search(r'^(?:FAIL|ERROR): (\w+)', output, re.M)
    why = re.search(
        r'Violation: ([\w -]+):|^(\w*Error\b.*)$', output, re.M)
    why = next(filter(None, why.groups()), '') if why else ''
    return failed and failed.group(1), why[:40]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('names', nargs='*', metavar='NAME')
    parser.add_argument(
        '-j', '--jobs', type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        '-l', '--list', action='store_true', help="only list them")
    args = parser.parse_args()
    names = args.names or list(MUTATIONS)
    if args.list:
        print('\n'.join(names))
        return
    folder = pathlib.Path(tempfile.mkdtemp(prefix='stripe-mutations-'))
    cache = folder / 'cache'
    survivors = []
    try:
        copies = {name: prepare(folder, name) for name in names}
        # The sound module passes the same tests, and makes the database
        sound = folder / 'sound'
        shutil.copytree(ROOT, sound / 'module', ignore=LEFT_OUT)
        tests = sorted({t for n in names for t in MUTATIONS[n][2]})
        code, output = run(sound, tests, cache)
        if code or 'Ran %d test' % len(tests) not in output:
            print(output)
            print("the tests fail, or are not all there, without any mutation")
            return 1
        print('%-42s %-34s %s' % ('mutation', 'failed', 'because'))

        def play(name):
            started = time.monotonic()
            # What the database holds may be mutated too
            mutated = cache if 'Unique' not in str(
                MUTATIONS[name][1]) else folder / 'mutated'
            code, output = run(copies[name], MUTATIONS[name][2], mutated)
            return name, code, output, time.monotonic() - started
        with ThreadPoolExecutor(args.jobs) as executor:
            for job in as_completed(executor.submit(play, n) for n in names):
                name, code, output, seconds = job.result()
                test, why = outcome(output)
                if not code or not test:
                    survivors.append(name)
                    test, why = 'SURVIVED', ''
                print('%-42s %-34s %s' % (name, test, why), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("%s mutations, %s survived" % (len(names), len(survivors)))
    return bool(survivors)


if __name__ == '__main__':
    sys.exit(main())
