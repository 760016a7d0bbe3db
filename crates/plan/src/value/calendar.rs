//! The calendar behind dates, times and timestamps: days and microseconds since 2000-01-01, split into
//! fields and put together again. Proleptic Gregorian; year 0 is 1 BC.

pub(crate) const MICROS_PER_SECOND: i64 = 1_000_000;
pub(crate) const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;
pub(crate) const MICROS_PER_HOUR: i64 = 3_600 * MICROS_PER_SECOND;
pub(crate) const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// 1970-01-01 in days since 2000-01-01.
pub(crate) const UNIX_EPOCH_DAYS: i64 = -10_957;
/// Day 0 of the Julian count, in days since 2000-01-01.
pub(crate) const JULIAN_DAY_ZERO: i64 = -2_451_545;

pub(crate) const DATE_EARLY: i64 = i32::MIN as i64;
pub(crate) const DATE_LATE: i64 = i32::MAX as i64;
pub(crate) const TIMESTAMP_EARLY: i64 = i64::MIN;
pub(crate) const TIMESTAMP_LATE: i64 = i64::MAX;

const DATE_FIRST: i64 = JULIAN_DAY_ZERO;
const DATE_END: i64 = 2_145_031_949;
const TIMESTAMP_FIRST: i64 = -211_813_488_000_000_000;
const TIMESTAMP_END: i64 = 9_223_371_331_200_000_000;

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    /// Astronomical: 0 is 1 BC.
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
}

/// A time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DayTime {
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    pub(crate) micro: i64,
}

impl Civil {
    /// The day that is `days` after 2000-01-01.
    pub(crate) fn from_days(days: i64) -> Self {
        // Years are counted from March so that the leap day is a year's last.
        let shifted = days + 730_425;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self { year, month, day }
    }

    /// Days since 2000-01-01.
    pub(crate) fn days(self) -> i64 {
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let march_month = (self.month + 9) % 12;
        let day_of_year = (153 * march_month + 2) / 5 + self.day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * 146_097 + day_of_era - 730_425
    }

    /// Moves by whole months and keeps the day within the month it lands in.
    pub(crate) fn add_months(self, months: i64) -> Self {
        let total = self.year * 12 + (self.month - 1) + months;
        let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
        Self { year, month, day: self.day.min(days_in_month(year, month)) }
    }

    /// 0 is Sunday.
    pub(crate) fn weekday(self) -> i64 {
        (self.days() + 6).rem_euclid(7)
    }

    /// 1 is the first of January.
    pub(crate) fn day_of_year(self) -> i64 {
        self.days() - Self { year: self.year, month: 1, day: 1 }.days() + 1
    }

    /// The ISO 8601 year and week.
    pub(crate) fn iso_week(self) -> (i64, i64) {
        let thursday = Self::from_days(self.days() - (self.weekday() + 6) % 7 + 3);
        (thursday.year, (thursday.day_of_year() - 1) / 7 + 1)
    }
}

impl DayTime {
    pub(crate) fn from_micros(micros: i64) -> Self {
        Self {
            hour: micros / MICROS_PER_HOUR,
            minute: micros / MICROS_PER_MINUTE % 60,
            second: micros / MICROS_PER_SECOND % 60,
            micro: micros % MICROS_PER_SECOND,
        }
    }

    pub(crate) fn micros(self) -> i64 {
        ((self.hour * 60 + self.minute) * 60 + self.second) * MICROS_PER_SECOND + self.micro
    }
}

/// A timestamp's day and the microseconds since its midnight.
pub(crate) fn split_timestamp(micros: i64) -> (i64, i64) {
    (micros.div_euclid(MICROS_PER_DAY), micros.rem_euclid(MICROS_PER_DAY))
}

pub(crate) fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

pub(crate) fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `days` when PostgreSQL's `date` can hold it.
pub(crate) fn date_in_range(days: i64) -> Option<i64> {
    (DATE_FIRST..DATE_END).contains(&days).then_some(days)
}

/// `micros` when PostgreSQL's timestamps can hold it.
pub(crate) fn timestamp_in_range(micros: i64) -> Option<i64> {
    (TIMESTAMP_FIRST..TIMESTAMP_END).contains(&micros).then_some(micros)
}

/// Puts a day and microseconds since its midnight together, within PostgreSQL's range.
pub(crate) fn join_timestamp(days: i64, micros: i64) -> Option<i64> {
    days.checked_mul(MICROS_PER_DAY)?.checked_add(micros).and_then(timestamp_in_range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_civil_dates_agree_over_centuries() {
        for days in (-3_000_000..3_000_000).step_by(37) {
            assert_eq!(Civil::from_days(days).days(), days);
        }
        assert_eq!(Civil::from_days(0), Civil { year: 2000, month: 1, day: 1 });
        assert_eq!(Civil { year: 2024, month: 2, day: 29 }.days(), 8825);
        assert_eq!(Civil { year: 2024, month: 1, day: 1 }.weekday(), 1);
        assert_eq!(Civil { year: 2021, month: 1, day: 3 }.iso_week(), (2020, 53));
    }
}
