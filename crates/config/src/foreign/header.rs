use super::Told;
use crate::{
    Template,
    syntax::{Entry, Node},
};

/// Tells a header of a JSON file, whose value may have `${VARIABLE}` or `${env:VARIABLE}` in it.
pub(super) fn tell(told: &mut Told, header: &Entry) {
    let Some(value) = header.node.as_text() else {
        // Read as it is: the section says what is wrong with it.
        return told.say_in("headers", &header.key, header, header.node.clone());
    };
    let span = header.node.span.clone();
    if value.contains("${input:") {
        return told.refuse(
            &span,
            format!("the header {} is asked for by the editor (`${{input:…}}`), and there is nobody here to ask", header.key),
            format!("put it into a variable and write ${{env:NAME}} in its place, or `afield mcp add {} URL --header-env '{}=NAME'`", told.entry.key, header.key),
        );
    }
    if !value.contains("${") {
        if is_secret(&header.key) {
            told.note(
                &span,
                format!("the value of the header {} stands in the file itself", header.key),
                format!("better keep it in a variable: headers_from_env = {{ {:?} = \"NAME\" }}", header.key),
            );
        }
        return told.say_in("headers", &header.key, header, header.node.clone());
    }
    match Template::parts(value) {
        Ok(template) => {
            if let Some(("Bearer ", variable)) = template.as_suffixed()
                && header.key.eq_ignore_ascii_case("authorization")
            {
                return told.say("bearer_token_env_var", header, Node { value: text(variable), span });
            }
            let written = template.written();
            told.say_in("headers_from_env", &header.key, header, Node { value: text(&written), span });
        }
        Err(_) => told.refuse(
            &span,
            format!("the header {} holds a placeholder that only its own program can fill in", header.key),
            "put it into a variable and write ${NAME} in its place",
        ),
    }
}

fn text(text: &str) -> crate::syntax::Value {
    crate::syntax::Value::Text(text.to_owned())
}

/// Whether a header of this name most likely holds a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["authorization", "cookie", "key", "token", "secret", "password", "credential"]
        .iter()
        .any(|word| name.contains(word))
}
