//! `-netdev` as the QEMU at hand takes it.

use super::Turn;
use crate::plan::{Draft, Origin, Props};
use crate::unit::Version;
use serde_json::Value;

/// First QEMU that takes a `-netdev` as JSON; QEMU 7.2: `netdev_is_modern()` in `net/net.c`.
const JSON: Version = Version::new(7, 2);

/// Adds the back end whose JSON form is `netdev`.
pub(super) fn draft(turn: &Turn<'_>, netdev: &Value, draft: &mut Draft) {
    let origin = Origin::given(turn.at("mode"));
    let argv = &mut draft.contents.argv;
    if turn.scene.qemu_is(JSON) {
        argv.backend("-netdev", netdev, origin);
    } else {
        argv.backend_props("-netdev", &older(netdev, &origin));
    }
}

/// The form of older versions: `type,key=value,…`, an element of an array by itself.
fn older(netdev: &Value, origin: &Origin) -> Props {
    let mut props = Props::default();
    for (key, value) in netdev.as_object().into_iter().flatten() {
        match value {
            Value::String(kind) if key == "type" => props.head(kind, origin.clone()),
            Value::String(text) => props.set(key, text, origin.clone()),
            Value::Bool(on) => props.switch(key, *on, origin.clone()),
            // `StringList` of QEMU's schema: each is an object with the one key `str`.
            Value::Array(texts) => {
                texts.iter().filter_map(|text| text["str"].as_str()).for_each(|text| props.add(key, text, origin));
            }
            other => props.set(key, other.to_string(), origin.clone()),
        }
    }
    props
}

#[cfg(test)]
mod test {
    use super::older;
    use crate::plan::Origin;
    use serde_json::json;

    #[test]
    fn the_older_form_says_the_same() {
        let forwards = json!([{"str": "tcp::2222-:22"}, {"str": "udp::53-:53"}]);
        let netdev = json!({"type": "user", "id": "net0", "restrict": true, "tftp": "/srv/a,b", "hostfwd": forwards});
        let (value, _) = older(&netdev, &Origin::given("net[0].mode")).render().unwrap();
        let expected = "user,id=net0,restrict=on,tftp=/srv/a,,b,hostfwd=tcp::2222-:22,hostfwd=udp::53-:53";
        assert_eq!(value, expected);
    }
}
