use std::fmt;

use thiserror::Error;

/// A day of the Gregorian calendar, somewhere: `YYYY-MM-DD` (RFC 3339 `full-date`). Years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalDate {
    year: i16,
    month: u8,
    day: u8,
}

/// The text names no day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a date is written YYYY-MM-DD and exists")]
pub struct LocalDateError;

impl LocalDate {
    /// Reads a day.
    pub fn try_new(text: &str) -> Result<Self, LocalDateError> {
        let digits = |range: std::ops::Range<usize>| {
            let part = text.get(range).filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
            part.and_then(|part| part.parse::<i16>().ok()).ok_or(LocalDateError)
        };
        if text.len() != 10 || text.get(4..5) != Some("-") || text.get(7..8) != Some("-") {
            return Err(LocalDateError);
        }
        let month = u8::try_from(digits(5..7)?).map_err(|_| LocalDateError)?;
        let day = u8::try_from(digits(8..10)?).map_err(|_| LocalDateError)?;
        Self::from_parts(digits(0..4)?, month, day)
    }

    /// The day of these figures.
    pub fn from_parts(year: i16, month: u8, day: u8) -> Result<Self, LocalDateError> {
        let leap = year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => 0,
        };
        if (1..=9999).contains(&year) && (1..=days).contains(&day) {
            Ok(Self { year, month, day })
        } else {
            Err(LocalDateError)
        }
    }

    /// Year, month, day.
    pub const fn parts(self) -> (i16, u8, u8) {
        (self.year, self.month, self.day)
    }
}

impl fmt::Display for LocalDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_exist_are_read_and_written_alike_and_sort() {
        for text in ["2026-11-22", "2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31"] {
            assert_eq!(LocalDate::try_new(text).unwrap().to_string(), text);
        }
        let wrong = [
            "",
            "2026-2-01",
            "2026-02-29",
            "1900-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-04-31",
            "0000-01-01",
            "2026/01/01",
            "2026-01-01Z",
            "+026-01-01",
            "2026-01-é",
        ];
        for text in wrong {
            assert!(LocalDate::try_new(text).is_err(), "{text}");
        }
        assert!(LocalDate::try_new("2026-02-01").unwrap() > LocalDate::try_new("2026-01-31").unwrap());
    }
}
