use serde::{
    Deserialize, Deserializer,
    de::{
        IntoDeserializer, MapAccess, Visitor,
        value::{MapAccessDeserializer, StrDeserializer},
    },
};
use std::{fmt, marker::PhantomData};

/// A structure that is read from a JSON object and from nothing else. A derived `Deserialize` also takes a list of the
/// fields in their order, which no other implementation of the protocol would.
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfMap<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OfMap<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(OfMap(PhantomData)).map(Self)
    }
}

/// Reads `T` from a JSON object.
pub fn parse_object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, serde_json::Error> {
    serde_json::from_str::<Object<T>>(text).map(|object| object.0)
}

/// For fields that are objects.
pub fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Object::deserialize(deserializer).map(|object| object.0)
}

/// For fields that are lists of objects.
pub fn objects<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let objects = Vec::<Object<T>>::deserialize(deserializer)?;
    Ok(objects.into_iter().map(|object| object.0).collect())
}

/// For fields that are one of some words. A derived `Deserialize` also takes an object with the word as its key.
pub fn word<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let word = super::Text::deserialize(deserializer)?;
    let word: StrDeserializer<'_, D::Error> = (*word).into_deserializer();
    T::deserialize(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Point {
        x: u8,
        #[serde(default)]
        y: Option<u8>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Colour {
        Red,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Drawing {
        #[serde(deserialize_with = "objects")]
        points: Vec<Point>,
        #[serde(deserialize_with = "object")]
        origin: Point,
        #[serde(deserialize_with = "word")]
        colour: Colour,
    }

    /// Proves that a list is no object, at any depth, and an object no word, though a derived reader takes them (case 176).
    #[test]
    fn object_from_list_is_refused() {
        let point = Point { x: 1, y: Some(2) };
        assert_eq!(parse_object::<Point>(r#"{"x":1,"y":2,"z":3}"#).unwrap(), point);
        assert_eq!(serde_json::from_str::<Point>("[1,2]").unwrap(), point, "what is guarded against");
        for bad in ["[1,2]", "[1]", "1", "null", "\"x\"", r#"{"x":[]}"#] {
            assert!(parse_object::<Point>(bad).is_err(), "{bad}");
        }
        let good = r#"{"points":[{"x":1},{"x":2}],"origin":{"x":0},"colour":"red"}"#;
        assert_eq!(parse_object::<Drawing>(good).unwrap().points.len(), 2);
        for (of, by) in [
            (r#"{"x":1}"#, "[1,null]"),
            (r#"{"x":0}"#, "[0,0]"),
            (r#"[{"x":1},{"x":2}]"#, r#"{"x":1}"#),
            (r#""red""#, r#"{"red":null}"#),
            (r#""red""#, r#""blue""#),
        ] {
            assert!(parse_object::<Drawing>(&good.replace(of, by)).is_err(), "{by}");
        }
    }
}
