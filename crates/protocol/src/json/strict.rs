use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::{borrow::Cow, cell::Cell, collections::HashSet, fmt};

/// Checks that `text` is one JSON object in which no object, at any depth, names a key twice.
///
/// RFC 8259 leaves the meaning of duplicate keys open, so two readers of one message may see two requests; here such
/// a message is refused. Nesting of 128 levels or more is refused too, and so are more than [`KEYS`] keys of an object and
/// those around it.
pub fn check_object(text: &str) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.deserialize_map(Walk(&Cell::new(0)))?;
    deserializer.end()
}

/// The most keys that are remembered at a time: they take several times the bytes that they have in the message, and nobody
/// counts those. What is read here has a dozen.
pub const KEYS: usize = 65_536;

/// Counts the keys of the object it is in, and of those around that.
#[derive(Clone, Copy)]
struct Walk<'c>(&'c Cell<usize>);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut keys = Keys::default();
        let around = self.0.get();
        while let Some(key) = entries.next_key::<super::Text<'de>>()? {
            if !keys.insert(key.0) {
                return Err(de::Error::custom("duplicate key"));
            }
            self.0.set(self.0.get() + 1);
            if self.0.get() > KEYS {
                return Err(de::Error::custom("too many keys"));
            }
            entries.next_value_seed(self)?;
        }
        self.0.set(around);
        Ok(())
    }
}

/// The keys of one object: few are compared one by one, many are hashed, so that a peer cannot make this quadratic.
#[derive(Default)]
struct Keys<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
}

impl<'a> Keys<'a> {
    const FEW: usize = 16;

    fn insert(&mut self, key: Cow<'a, str>) -> bool {
        if self.few.len() < Self::FEW {
            let new = !self.few.contains(&key);
            self.few.push(key);
            return new;
        }
        if self.many.is_empty() {
            self.many.extend(self.few.iter().cloned());
        }
        self.many.insert(key)
    }
}

#[cfg(test)]
mod tests {
    use super::{KEYS, check_object};

    /// Proves that a duplicate key is found at any depth and in objects of any size, and nothing else is refused.
    #[test]
    fn duplicate_keys_are_found_at_any_depth() {
        let many = |last: &str| {
            let keys: Vec<_> = (0..100).map(|n| format!("\"k{n}\":0")).collect();
            format!("{{{},\"{last}\":0}}", keys.join(","))
        };
        for good in
            ["{}", r#"{"a":[{"a":1},{"a":2}],"b":{"a":null}}"#, r#"{"a":-1.5e3,"b":"\u00e9"}"#, &many("x")]
        {
            assert!(check_object(good).is_ok(), "{good}");
        }
        for bad in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":[[{"b":1,"b":2}]]}"#,
            r#"{"a":1,"\u0061":2}"#,
            &many("k3"),
            &many("k50"),
            "[]",
            "1",
            "{} {}",
            "",
            "\u{feff}{}",
            r#"{"a":"\ud800"}"#,
        ] {
            assert!(check_object(bad).is_err(), "{bad}");
        }
    }

    /// Proves that no more keys are remembered at a time than a message of ours could ever have, in one object or in those
    /// around it, and that many objects beside each other may have as many as they like (case 138).
    #[test]
    fn keys_that_are_remembered_are_bounded() {
        let keys = |count: usize| (0..count).map(|n| format!("\"{n}\":0,")).collect::<String>();
        assert!(check_object(&format!("{{{}\"x\":0}}", keys(KEYS - 1))).is_ok());
        assert!(check_object(&format!("{{{}\"x\":0}}", keys(KEYS))).is_err());
        let half = keys(KEYS / 2);
        assert!(check_object(&format!("{{{half}\"x\":{{{half}\"x\":0}}}}")).is_err(), "around");
        let beside = format!("{{{half}\"x\":0}},");
        assert!(check_object(&format!("{{\"x\":[{}0]}}", beside.repeat(4))).is_ok(), "beside");
    }

    /// Proves that nesting is bounded: 127 levels are fine, 128 are refused, a million cost nothing.
    #[test]
    fn nesting_is_bounded() {
        let nested =
            |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
        assert!(check_object(&nested(127)).is_ok());
        assert!(check_object(&nested(128)).is_err());
        assert!(check_object(&nested(1_000_000)).is_err());
    }
}
