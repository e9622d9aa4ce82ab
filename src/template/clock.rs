//! Seconds since 1970 -> a date as `strftime` writes it, in English.

use minijinja::{Error, ErrorKind};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// 1 January 1970 was a Thursday.
const WEEKDAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];

/// Writes the time `seconds` after 1970 began by `format`, which knows the directives that templates use. As in glibc's
/// `strftime`, `-` after the percent sign leaves out leading zeros.
pub fn format(seconds: i64, format: &str) -> Result<String, Error> {
    let (days, second_of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    let month_name = MONTHS[month as usize - 1];
    let weekday = WEEKDAYS[days.rem_euclid(7) as usize];
    let hour_of_12 = (hour + 11) % 12 + 1;

    let mut text = String::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        let mut directive = characters.next();
        let bare = directive == Some('-');
        if bare {
            directive = characters.next();
        }
        let padded = |value: i64, width: usize| if bare { value.to_string() } else { format!("{value:0width$}") };
        text += &match directive {
            Some('Y') => year.to_string(),
            Some('y') => padded(year.rem_euclid(100), 2),
            Some('m') => padded(month, 2),
            Some('d') => padded(day, 2),
            Some('e') if bare => day.to_string(),
            Some('e') => format!("{day:2}"),
            Some('j') => padded(day_of_year(year, month, day), 3),
            Some('B') => month_name.to_string(),
            Some('b') => month_name[..3].to_string(),
            Some('A') => weekday.to_string(),
            Some('a') => weekday[..3].to_string(),
            Some('H') => padded(hour, 2),
            Some('I') => padded(hour_of_12, 2),
            Some('M') => padded(minute, 2),
            Some('S') => padded(second, 2),
            Some('p') => if hour < 12 { "AM" } else { "PM" }.to_string(),
            Some('F') => format!("{year}-{month:02}-{day:02}"),
            Some('T') => format!("{hour:02}:{minute:02}:{second:02}"),
            Some('%') => "%".to_string(),
            other => {
                let directive = other.map(String::from).unwrap_or_default();
                let message = format!("strftime_now: %{directive} in {format:?} is not supported");
                return Err(Error::new(ErrorKind::InvalidOperation, message));
            }
        };
    }
    Ok(text)
}

/// Days in 400 years, after which the calendar repeats.
const ERA_DAYS: i64 = 146_097;

/// The year, month (from 1) and day (from 1) that is `days` after 1 January 1970. Counts in years that begin in March, so
/// that the leap day is the last of its year (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: i64) -> (i64, i64, i64) {
    // 1 March of the year 0 lies so many days back.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March on have 31 and 30 days by turns of five months of 153 days.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// The day of the year, from 1.
fn day_of_year(year: i64, month: i64, day: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30];
    lengths.iter().take(month as usize - 1).sum::<i64>() + day
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_dates_as_python_does() {
        // Checked against datetime.strftime.
        let known = [
            (0, "1970-01-01 Thursday Thu 001 00:00:00 12 AM"),
            (951_782_399, "2000-02-28 Monday Mon 059 23:59:59 11 PM"),
            (951_782_400, "2000-02-29 Tuesday Tue 060 00:00:00 12 AM"),
            (1_735_689_599, "2024-12-31 Tuesday Tue 366 23:59:59 11 PM"),
            (4_107_542_399, "2100-02-28 Sunday Sun 059 23:59:59 11 PM"),
            (4_107_542_400, "2100-03-01 Monday Mon 060 00:00:00 12 AM"),
            (-1, "1969-12-31 Wednesday Wed 365 23:59:59 11 PM"),
        ];
        for (seconds, expected) in known {
            assert_eq!(format(seconds, "%F %A %a %j %T %I %p").unwrap(), expected);
        }
        assert_eq!(
            format(1_720_000_000, "%d %b %Y, %-d %B %y %e|%-H:%M 100%%").unwrap(),
            "03 Jul 2024, 3 July 24  3|9:46 100%"
        );
    }

    #[test]
    fn what_is_not_known_is_named() {
        for format in ["%Q", "%", "%-"] {
            assert!(super::format(0, format).unwrap_err().to_string().contains("not supported"));
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut last = civil(-1_000_000);
        for days in -999_999..1_000_000 {
            let (year, month, day) = civil(days);
            let next_day = (year, month) == (last.0, last.1) && day == last.2 + 1;
            let next_month = day == 1 && (year, month) == (last.0 + last.1 / 12, last.1 % 12 + 1);
            assert!(next_day || next_month, "{last:?} {:?}", (year, month, day));
            last = (year, month, day);
        }
    }
}
