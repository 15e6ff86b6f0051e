//! A validator for the part of Swagger 2.0 and OpenAPI 3 that the subsets use. A keyword that it does
//! not know fails the test, so that nothing is left unchecked.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// Names that the error object has in practice although its schema does not allow them.
/// <https://developer.atlassian.com/cloud/bitbucket/rest/intro/#standardized-error-responses>
const OPEN_IN_ERRORS: &[&str] = &["fields", "id"];

/// Keywords whose arms find nothing wrong, or that are looked at after the others.
const CHECKED: &[&str] = &[
    "type",
    "enum",
    "format",
    "minimum",
    "uniqueItems",
    "properties",
    "items",
    "additionalProperties",
];

/// Keywords that say nothing about the value; `minItems` is 0 wherever it stands, and the one
/// `pattern` is of a project's name.
const SILENT: &[&str] = &[
    "title",
    "description",
    "discriminator",
    "minItems",
    "example",
    "readOnly",
    "writeOnly",
    "pattern",
];

pub struct Schema(Value);

impl Schema {
    pub fn of(text: &str) -> Self {
        Self(serde_json::from_str(text).expect("the reference file is JSON"))
    }

    pub fn definition(&self, name: &str) -> Value {
        self.0["definitions"][name].clone()
    }

    /// Every declared `METHOD /path/{template}`.
    pub fn operations(&self) -> Vec<String> {
        let paths = self.0["paths"].as_object().unwrap();
        paths
            .iter()
            .flat_map(|(path, methods)| {
                let methods = methods.as_object().unwrap().keys();
                methods
                    .filter(|method| *method != "parameters")
                    .map(move |method| format!("{} {path}", method.to_uppercase()))
            })
            .collect()
    }

    /// Template and operation that a path below `/2.0` belongs to.
    pub fn operation(&self, method: &str, path: &str) -> Option<(String, Value)> {
        let matches = |template: &str| {
            let (wanted, given) = (template.split('/'), path.split('/'));
            wanted.clone().count() == given.clone().count()
                && wanted
                    .zip(given)
                    .all(|(part, given)| part.starts_with('{') || part == given)
        };
        let mut paths = self.0["paths"].as_object()?.iter();
        let (template, methods) = paths.find(|(template, _)| matches(template))?;
        let operation = methods.get(method.to_lowercase())?;
        Some((template.clone(), operation.clone()))
    }

    /// What is wrong with the value, each with its place.
    pub fn faults(&self, schema: &Value, value: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        self.check(schema, value, "", &mut faults);
        faults
    }

    fn check(&self, schema: &Value, value: &Value, place: &str, faults: &mut Vec<String>) {
        let mut fault = |text: String| faults.push(format!("{place}: {text}"));
        let schema = schema.as_object().expect("a schema is an object");
        // Declared as a date-time, shown as null in the specification's own examples.
        if value.is_null()
            && schema
                .get("format")
                .is_some_and(|format| format == "date-time")
        {
            return;
        }
        // Declared as a string; Data Center's errors that are about no field send null.
        if value.is_null() && place.starts_with("/errors/") {
            return;
        }
        // Declared as a string; scope errors send an object.
        if place == "/error/detail" && value.is_object() {
            return;
        }
        for (keyword, wanted) in schema {
            match keyword.as_str() {
                "$ref" => {
                    // `#/definitions/NAME`, `#/components/schemas/NAME`.
                    let place_of = wanted.as_str().unwrap().trim_start_matches('#');
                    let target = self.0.pointer(place_of).expect("it is defined");
                    self.check(target, value, place, faults);
                    return;
                }
                "allOf" => {
                    for part in wanted.as_array().unwrap() {
                        self.check(part, value, place, faults);
                    }
                    return;
                }
                "type" if !is_of_type(value, wanted.as_str().unwrap()) => {
                    fault(format!("{value} is no {wanted}"));
                }
                "enum" if !wanted.as_array().unwrap().contains(value) => {
                    fault(format!("{value} is none of {wanted}"));
                }
                "format" if !is_of_format(value, wanted.as_str().unwrap()) => {
                    fault(format!("{value} is no {wanted}"));
                }
                "minimum" if value.as_i64() < wanted.as_i64() => {
                    fault(format!("{value} is below {wanted}"));
                }
                "uniqueItems" if repeats(value) => fault("items repeat".to_owned()),
                "required" => {
                    for name in wanted.as_array().unwrap() {
                        if value.get(name.as_str().unwrap()).is_none() {
                            fault(format!("{name} is missing"));
                        }
                    }
                }
                keyword if CHECKED.contains(&keyword) || SILENT.contains(&keyword) => {}
                unknown => panic!("the validator does not know {unknown}"),
            }
        }
        if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
            for (number, value) in values.iter().enumerate() {
                self.check(items, value, &format!("{place}/{number}"), faults);
            }
        }
        if let Some(values) = value.as_object() {
            self.check_properties(schema, values, place, faults);
        }
    }

    fn check_properties(
        &self,
        schema: &Map<String, Value>,
        values: &Map<String, Value>,
        place: &str,
        faults: &mut Vec<String>,
    ) {
        let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
        for (name, value) in values {
            match schema
                .get("properties")
                .and_then(|properties| properties.get(name))
            {
                Some(property) => self.check(property, value, &format!("{place}/{name}"), faults),
                None if place == "/error" && OPEN_IN_ERRORS.contains(&name.as_str()) => {}
                None if closed => faults.push(format!("{place}: {name} is not declared")),
                None => {}
            }
        }
    }
}

fn is_of_type(value: &Value, wanted: &str) -> bool {
    match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        unknown => panic!("the validator does not know the type {unknown}"),
    }
}

fn is_of_format(value: &Value, wanted: &str) -> bool {
    let Some(text) = value.as_str() else {
        let number = value.as_i64().unwrap_or_default();
        return wanted != "int32" || i32::try_from(number).is_ok();
    };
    match wanted {
        "date-time" => text.parse::<Timestamp>().is_ok() && text.contains('T'),
        // The scp form of clone links counts as one on the site.
        "uri" => text.contains(':') && !text.contains(char::is_whitespace),
        unknown => panic!("the validator does not know the format {unknown}"),
    }
}

fn repeats(value: &Value) -> bool {
    let values = value.as_array().map(Vec::as_slice).unwrap_or_default();
    (1..values.len()).any(|end| values[..end].contains(&values[end]))
}

#[test]
fn the_validator_finds_what_is_wrong() {
    let schema = Schema::of(include_str!("../../reference/bitbucket-cloud.openapi.json"));
    let key = schema.definition("ssh_account_key");
    for (value, expected, why) in [
        (
            serde_json::json!({"type": "ssh_key"}),
            0,
            "only the type is required",
        ),
        (serde_json::json!({}), 1, "type is missing"),
        (
            serde_json::json!({"type": "ssh_key", "expires_on": null}),
            0,
            "no expiry",
        ),
        (
            serde_json::json!({"type": "ssh_key", "expires_on": "soon"}),
            1,
            "no date",
        ),
        (
            serde_json::json!({"type": "ssh_key", "label": 7}),
            1,
            "no text",
        ),
        (
            serde_json::json!({"type": "ssh_key", "links": {"other": {}}}),
            1,
            "links are closed",
        ),
        (
            serde_json::json!({"type": "ssh_key", "owner": {"uuid": "{}"}}),
            1,
            "owner has no type",
        ),
    ] {
        let faults = schema.faults(&key, &value);
        assert_eq!(faults.len(), expected, "{why}: {faults:?}");
    }
}
