# This file is part of Tryton.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""An authorized payment confirms the sale."""
from trytond.pool import PoolMeta


class Payment(metaclass=PoolMeta):
    __name__ = 'account.payment'

    @property
    def is_authorized(self):
        return super().is_authorized or bool(
            self.process_method == 'stripe'
            and self.state == 'processing'
            and self.stripe_capturable)

    def stripe_apply(self, state, fresh=False):
        authorized = self.is_authorized
        result = super().stripe_apply(state, fresh=fresh)
        if not authorized and self.is_authorized:
            # What Stripe says is stored without on_write
            self.__class__.trigger_authorized([self])
        return result
