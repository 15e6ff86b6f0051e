//! Times as the sites write them: ISO 8601, a date alone, milliseconds as number or text. Pure.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::Value;

/// `None`: nothing there, or nothing that is a time.
pub(super) fn read(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(number) => Timestamp::from_millisecond(number.as_i64()?).ok(),
        Value::String(text) => parse(text.trim()),
        _ => None,
    }
}

fn parse(text: &str) -> Option<Timestamp> {
    if let Ok(milliseconds) = text.parse() {
        return Timestamp::from_millisecond(milliseconds).ok();
    }
    text.parse().ok().or_else(|| {
        let date: Date = text.parse().ok()?;
        Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}

/// `YYYY-MM-DDTHH:mm:ss.sssZ`, what Cloud's `expires_on` takes.
pub(super) fn iso(time: Timestamp) -> String {
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{iso, read};

    #[test]
    fn every_spelling_of_the_sites_is_read() {
        let day = Some("2018-03-14T00:00:00Z");
        for (value, expected, why) in [
            (json!("2018-03-14T00:00:00.000000+00:00"), day, "Cloud"),
            (json!("2018-03-14T02:00:00+02:00"), day, "another offset"),
            (json!("2018-03-14"), day, "a date alone"),
            (json!(1_520_985_600_000_i64), day, "milliseconds"),
            (
                json!("1520985600000"),
                day,
                "Data Center's lastAuthenticated",
            ),
            (Value::Null, None, "nothing"),
            (json!("never"), None, "no time"),
        ] {
            assert_eq!(
                read(&value),
                expected.map(|text| text.parse().unwrap()),
                "{why}"
            );
        }
    }

    #[test]
    fn expiry_is_written_with_milliseconds() {
        let time = "2026-11-24T12:30:00Z".parse().unwrap();
        assert_eq!(iso(time), "2026-11-24T12:30:00.000Z");
    }
}
