use super::{Entry, Node, Source, Span, Value};
use crate::Problem;
use jsonc_parser::{CollectOptions, ParseOptions, ast, common::Ranged, parse_to_ast};

/// What editors read and write: JSON with comments and trailing commas, and nothing looser.
pub(crate) const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

pub(super) fn parse(source: &Source) -> Result<Node, Problem> {
    // A byte order mark, as some editors write it, is three bytes that mean nothing.
    let text = source.text.strip_prefix('\u{feff}').unwrap_or(&source.text);
    let skipped = source.text.len() - text.len();
    let parsed = parse_to_ast(text, &CollectOptions::default(), &OPTIONS).map_err(|error| {
        let place = source.place(error.range().start + skipped);
        // Only the parser's own words: the line itself may hold a secret.
        Problem::new(place, "", format!("this is not JSON: {}", error.kind()), "mend the line")
    })?;
    Ok(match parsed.value {
        Some(value) => node(&value, skipped),
        None => Node::new(0..0, Value::Table(Vec::new())),
    })
}

fn node(value: &ast::Value<'_>, skipped: usize) -> Node {
    let shifted = |range: jsonc_parser::common::Range| -> Span { range.start + skipped..range.end + skipped };
    let span = shifted(value.range());
    let value = match value {
        ast::Value::StringLit(text) => Value::Text(text.value.to_string()),
        ast::Value::NumberLit(number) => match number.value.parse::<i64>() {
            Ok(integer) => Value::Integer(integer),
            Err(_) => Value::Float(number.value.parse().unwrap_or(f64::NAN)),
        },
        ast::Value::BooleanLit(boolean) => Value::Boolean(boolean.value),
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::Array(array) => {
            Value::List(array.elements.iter().map(|value| node(value, skipped)).collect())
        }
        ast::Value::Object(object) => Value::Table(
            object
                .properties
                .iter()
                .map(|property| Entry {
                    key: property.name.as_str().to_owned(),
                    key_span: shifted(property.name.range()),
                    node: node(&property.value, skipped),
                })
                .collect(),
        ),
    };
    Node::new(span, value)
}
