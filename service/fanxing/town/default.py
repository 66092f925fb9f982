"""The truth's rule of default at size M: it follows cash flow, and a larger limit makes it likelier.

A loan of 12 equal instalments and the debts elsewhere are due a month, out of what genuine trade leaves. The constants
are assumptions.
"""

import numpy as np

PER_BURDEN, BURDEN_MAX, MONTHS = 4.0, 1.6, 12


def default_probability(
    log_odds: np.ndarray, service_fen: np.ndarray, loan_fen: np.ndarray, left_fen: np.ndarray
) -> np.ndarray:
    """Of 90 days past due within 12 months, float64 (n,).

    `log_odds`: before anything is due; `service_fen`: due on other debts a month; `left_fen`: left by trade a month,
    NaN where nothing depends on the loan.
    """
    due = service_fen + loan_fen / MONTHS
    burden = np.where(np.isnan(left_fen), 0.0, np.minimum(BURDEN_MAX, due / np.maximum(left_fen, 1.0)))
    return np.asarray(1 / (1 + np.exp(-(log_odds + PER_BURDEN * burden))))
