#[derive(kiket::Event)]
#[event(name = "ship..arrived")]
struct ShipArrived;

#[derive(kiket::Event)]
struct ShipLeft;

#[derive(Debug, Clone, Default, PartialEq, kiket::Model)]
struct Ship {
    #[model(lenient)]
    length: Option<f64>,
    class: Option<std::time::Duration>,
    extra: kiket::model::Extra,
}

const VESSEL: &str = "vessel_id";

#[derive(Debug, Clone, Default, PartialEq, kiket::Model)]
struct Boat {
    #[model(alias = VESSEL)]
    ship: Option<String>,
    extra: kiket::model::Extra,
}

#[derive(Debug, Clone, Default, PartialEq, kiket::Model)]
struct Harbour {
    #[model(alias = "shipIds")]
    ships: Vec<String>,
    extra: kiket::model::Extra,
}

fn main() {}
