//! Events and models of one's own, with a dependency that may be called differently.

#![deny(warnings, missing_docs, clippy::pedantic)]

use kiket::{
    model::{Extra, Id},
    prelude::*,
};
use serde_json::{Map, Value};

use crate::registered;

mod company {
    pub(crate) use kiket as framework;
}

/// A ship came in.
#[derive(Debug, serde::Deserialize, kiket::Event)]
#[event(name = "ship.arrived", crate = company::framework)]
struct ShipArrived<'a> {
    #[serde(borrow)]
    ship: std::borrow::Cow<'a, str>,
}

/// A ship.
#[derive(Debug, Clone, Default, PartialEq, kiket::Model)]
#[model(expecting = "a ship", plain = Ship::take_plain, crate = company::framework)]
#[non_exhaustive]
pub struct Ship {
    /// The id.
    #[model(new)]
    pub id: Option<Id>,
    /// The kind.
    #[model(lenient)]
    pub r#type: Option<String>,
    /// How long it takes.
    #[model(serde)]
    pub takes: Option<std::time::Duration>,
    /// The ports.
    #[model(lenient)]
    pub ports: Vec<String>,
    /// The flags.
    pub flags: Map<String, Value>,
    /// The rest.
    pub extra: Extra,
}

impl Ship {
    fn take_plain(&mut self, plain: Id) -> bool {
        self.id = Some(plain);
        true
    }
}

/// A ship left.
#[derive(Debug, Clone, Default, PartialEq, kiket::Event)]
#[event(name = "ship.left", model, crate = company::framework)]
pub struct ShipLeft {
    /// The ship.
    #[event(new, flatten)]
    pub ship: Ship,
    /// The port.
    #[event(inside = ship)]
    pub port: Port,
    /// The id.
    pub id: Option<Id>,
    /// The time.
    pub occurred_at: Option<kiket::model::Timestamp>,
    /// The rest.
    pub extra: Extra,
}

/// A port.
#[derive(Debug, Clone, Default, PartialEq, kiket::Model)]
pub struct Port {
    name: Option<String>,
    /// The rest.
    pub extra: Extra,
}

const VESSEL: [&str; 1] = ["vessel"];

/// What another crate calls a type parameter.
#[derive(Debug, Clone, Default, PartialEq, kiket::Model)]
pub struct A {
    name: Option<String>,
    /// The rest.
    pub extra: Extra,
}

macro_rules! anchored {
    ($name:literal, $by:expr) => {
        /// A ship anchors.
        #[derive(Debug, Clone, Default, PartialEq, kiket::Event)]
        #[event(name = "ship.anchored", model)]
        pub struct ShipAnchored {
            /// The ship.
            #[event(alias = $name, alias = VESSEL)]
            pub ship: Ship,
            /// The port.
            #[event(inside = ship, alias = "harbour", lenient)]
            pub port: Option<String>,
            /// The kind.
            #[event(lenient)]
            pub r#type: Option<String>,
            /// The pilot.
            #[event(alias = $by)]
            pub pilot: Option<A>,
            /// The id.
            pub id: Option<Id>,
            /// The time.
            pub occurred_at: Option<kiket::model::Timestamp>,
            /// The rest.
            pub extra: Extra,
        }
    };
}

anchored!("boat_id", "led_by");

#[test]
fn a_member_is_found_under_its_whole_name() {
    let read = |body: serde_json::Value| serde_json::from_value::<ShipAnchored>(body).unwrap();
    let ship = Ship::new(1);
    for name in ["ship", "vessel", "boat_id", "boatId"] {
        let event = read(json!({ name: { "id": 1, "harbour": 7 }, "led_by": { "name": "Ada" } }));
        let pilot = A::default().name("Ada");
        assert_eq!(event, ShipAnchored::default().ship(ship.clone()).port("7").pilot(pilot), "{name}");
    }
    let event = read(json!({ "vess": 1, "el": 2, "": 3, "id": 4, "boat": 5, "led": 6 }));
    let extra = ShipAnchored::default().extra("vess", 1).extra("el", 2).extra("", 3).extra("boat", 5);
    assert_eq!(event, extra.extra("led", 6).id(4));
}

#[test]
fn a_type_without_a_dot_is_data() {
    let read = |body: serde_json::Value| serde_json::from_value::<ShipAnchored>(body).unwrap();
    let frigate = ShipAnchored::default().r#type("frigate");
    for kind in [json!("frigate"), json!({ "key": "frigate" })] {
        assert_eq!(read(json!({ "event": "ship.anchored", "type": kind })), frigate);
    }
    assert_eq!(read(json!({ "data": { "type": "frigate" }, "type": "ship.anchored" })), frigate);
    assert_eq!(read(json!({ "type": "ship.left" })), ShipAnchored::default().extra("type", "ship.left"));
    assert_eq!(
        read(json!({ "type": "not. a name", "event_type": "a" })).r#type.as_deref(),
        Some("not. a name")
    );
    assert_eq!(read(serde_json::to_value(&frigate).unwrap()), frigate);
}

#[kiket::webhook(ShipArrived<'_>, version = "v1")]
async fn on_ship_arrived(event: Payload<ShipArrived<'_>>) -> Json<usize> {
    Json(event.ship.len())
}

#[kiket::webhook(ShipLeft, version = "v1")]
async fn on_ship_left(_event: Payload<ShipLeft>) {}

#[test]
fn derived_events_and_models_work_under_another_path() {
    let registered = registered::registered(module_path!(), |builder| builder);
    assert_eq!(registered, ["ship.arrived v1 on_ship_arrived", "ship.left v1 on_ship_left"]);

    let body = json!({
        "ship": { "id": 1, "type": 7, "port": { "name": "Ushuaia" } }, "ports": ["a", { "key": "b" }], "id": "evt_1",
        "takes": { "secs": 1, "nanos": 0 }, "flags": { "blue": true }, "berth": 3,
    });
    let event: ShipLeft = serde_json::from_value(body).unwrap();
    let ship = Ship::new(1)
        .r#type(Some("7"))
        .takes(std::time::Duration::from_secs(1))
        .ports(["a", "b"])
        .flags([("blue", true)]);
    let none: Option<String> = None;
    let port = Port::default().name("Ushuaia");
    assert_eq!(event, ShipLeft::new(ship).port(port).id("evt_1").occurred_at(none).extra("berth", 3));
    assert_eq!(serde_json::from_str::<Ship>("1").unwrap(), Ship::new(1));
    assert!(serde_json::from_str::<Port>("1").unwrap_err().to_string().contains("expected an object"));
}
