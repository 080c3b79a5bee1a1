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

fn main() {}
