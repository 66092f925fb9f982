"""The days off around China's public holidays as two libraries tell them: what the table in the code is held against.

    python -m tests.holiday_table

prints the table for the next release, once chinese_calendar has the notice of another year.
"""

from datetime import date, timedelta
from itertools import groupby

import chinese_calendar
import holidays
import typer

YEARS = range(2004, 2041)
NOTICED_MAX = max(chinese_calendar.holidays).year
"""The last year whose notice is known; chinese_calendar's own functions raise beyond it."""
_BY_LAW = holidays.country_holidays("CN", years=YEARS)


def public(day):
    """By the notice that the State Council gives of each year, or by the law alone where that is not known yet."""
    return day in (chinese_calendar.holidays if day.year <= NOTICED_MAX else _BY_LAW)


def off(day):
    """A weekend that is made a time of work, to make up for a holiday's days, is none."""
    return public(day) or (day.weekday() >= 5 and day not in chinese_calendar.workdays)


def days_off():
    """Every day of the unbroken runs of days off that hold a day of a public holiday."""
    first, end = date(YEARS[0], 1, 1), date(YEARS[-1] + 1, 1, 1)
    days = (first + timedelta(place) for place in range((end - first).days))
    runs = [list(run) for is_off, run in groupby(days, off) if is_off]
    return [day for run in runs if any(map(public, run)) for day in run]


def line(year, days):
    """The year, then each run of days as 0101-0103, or one day alone."""
    runs = groupby(enumerate(days), lambda at: at[1] - timedelta(at[0]))
    spans = [[day for _, day in run] for _, run in runs]
    ends = ((f"{span[0]:%m%d}", f"{span[-1]:%m%d}") for span in spans)
    return " ".join([str(year), *("-".join(dict.fromkeys(each)) for each in ends)])


def table():
    """A line a year."""
    return "".join(f"{line(year, list(days))}\n" for year, days in groupby(days_off(), lambda day: day.year))


if __name__ == "__main__":
    typer.echo(table(), nl=False)
