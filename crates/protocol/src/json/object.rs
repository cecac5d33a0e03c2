use serde::{
    Deserialize, Deserializer,
    de::{
        Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor,
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
    let objects = Few::<Object<T>>::deserialize(deserializer)?;
    Ok(objects.0.into_iter().map(|object| object.0).collect())
}

/// A list of no more than [`MOST`] elements. What is read from a message takes several times its bytes, and is counted when it
/// is known what it is: a list of a million nothings would have taken its memory by then.
#[derive(Default)]
pub struct Few<T>(pub Vec<T>);

/// The most elements that a list in a message may have. No list of ours has nearly as many.
pub const MOST: usize = 65_536;

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Few<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfList<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OfList<T> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
                let mut few = Vec::new();
                while let Some(element) = list.next_element()? {
                    if few.len() == MOST {
                        return Err(A::Error::custom("too many elements"));
                    }
                    few.push(element);
                }
                Ok(few)
            }
        }

        deserializer.deserialize_seq(OfList(PhantomData)).map(Self)
    }
}

/// For fields that are lists, or null.
pub fn few_or_null<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    Ok(Option::<Few<T>>::deserialize(deserializer)?.map(|few| few.0))
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

    /// Proves that a list of very many elements is refused before they are all kept (case 138).
    #[test]
    fn lists_are_bounded() {
        let list = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        assert_eq!(serde_json::from_str::<Few<u8>>(&list(MOST)).unwrap().0.len(), MOST);
        assert!(serde_json::from_str::<Few<u8>>(&list(MOST + 1)).is_err());
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
