//! What the customers want.

use serde_json::json;

use super::script::Script;

/// One session: what it is called, which of the customers it is with, and how it goes.
pub(super) struct Story {
    pub name: &'static str,
    pub user: usize,
    pub tell: fn(&mut Script),
}

/// In the order in which they begin. Some customers come back.
pub(super) const ALL: [Story; 8] = [
    story("refund", 0, refund),
    story("parcel", 1, parcel),
    story("advice", 2, advice),
    story("hours", 3, hours),
    story("invoice", 1, invoice),
    story("forget", 3, forget),
    story("address", 0, address),
    story("again", 2, again),
];

const fn story(name: &'static str, user: usize, tell: fn(&mut Script)) -> Story {
    Story { name, user, tell }
}

const ITEMS: [&str; 5] = ["kettle", "desk lamp", "backpack", "headset", "teapot"];
const TOWNS: [&str; 4] = ["Leipzig", "Ghent", "Turin", "Porto"];
const THANKS: [&str; 4] = [
    "Thank you!",
    "Great, thanks.",
    "That was quick.",
    "Perfect.",
];

fn thank(s: &mut Script) {
    let thanks = s.random.pick(&THANKS);
    s.user(thanks);
}

fn refund(s: &mut Script) {
    let item = s.random.pick(&ITEMS);
    let order = s.random.between(1000, 9999);
    let price = s.random.between(19, 79);
    let reference = format!("R-{}", s.random.between(100, 999));
    s.start();
    s.user(format!(
        "The {item} of order {order} came broken. My money back?"
    ));
    s.tool(
        "lookup_order",
        &json!({ "order": order }),
        &json!({ "order": order, "item": item, "price": price, "status": "delivered" }),
    );
    s.agent(format!("I am sorry! I will refund the {price} euros now."));
    let arguments = json!({ "order": order, "amount": price });
    s.failing_tool(
        "refund_payment",
        &arguments,
        "gateway_timeout",
        "the payment gateway did not answer",
    );
    s.agent("The payment service is slow. I am trying again.");
    s.tool(
        "refund_payment",
        &arguments,
        &json!({ "reference": reference, "status": "accepted" }),
    );
    s.agent(format!(
        "Done: {price} euros are on their way, {reference}."
    ));
    thank(s);
    s.end("completed");
}

fn parcel(s: &mut Script) {
    let item = s.random.pick(&ITEMS);
    let town = s.random.pick(&TOWNS);
    s.start();
    s.user(format!("Where is my {item}?"));
    s.search(format!("{item} order"), 2);
    let parcel = format!("P{}", s.random.between(10_000, 99_999));
    s.tool(
        "track_parcel",
        &json!({ "parcel": parcel }),
        &json!({ "parcel": parcel, "status": "in transit", "last_seen": town }),
    );
    s.agent(format!("It left {town} this morning and comes tomorrow."));
    thank(s);
    s.end("completed");
}

fn advice(s: &mut Script) {
    let budget = s.random.between(3, 9) * 10;
    let items = {
        let mut items = ITEMS;
        s.random.shuffle(&mut items);
        items
    };
    s.start();
    s.user(format!("A present for my sister, up to {budget} euros?"));
    s.agent("Gladly. What does she like?");
    s.user("She works from home and drinks a lot of tea.");
    s.tool(
        "search_catalogue",
        &json!({ "for": "home office, tea", "price_max": budget }),
        &json!({ "items": items[..3] }),
    );
    s.agent(format!("A {} or a {}?", items[0], items[1]));
    s.user(format!("The {} sounds right.", items[0]));
    s.summary(format!(
        "Wants a {} for her sister, up to {budget} euros.",
        items[0]
    ));
    s.agent("I have put it into your basket.");
    s.end("completed");
}

fn hours(s: &mut Script) {
    let day = s.random.pick(&["Saturday", "Sunday", "Monday"]);
    s.start();
    s.user(format!("Are you there on {day}?"));
    s.agent("Every day from eight to eight.");
    s.end("timeout");
}

fn invoice(s: &mut Script) {
    let order = s.random.between(1000, 9999);
    s.start();
    s.user(format!("I need the invoice of order {order} again."));
    s.tool(
        "lookup_order",
        &json!({ "order": order }),
        &json!({ "order": order, "status": "paid" }),
    );
    s.tool(
        "send_invoice",
        &json!({ "order": order, "to": "the address on file" }),
        &json!({ "sent": true }),
    );
    s.agent("It is in your mailbox.");
    s.end("completed");
}

fn forget(s: &mut Script) {
    s.start();
    s.user("Please forget everything I have told you.");
    s.agent("I will. Your orders stay, as the law demands.");
    s.clear("asked by the user");
    s.agent("It is done. How can I help?");
    s.end("completed");
}

fn address(s: &mut Script) {
    let town = s.random.pick(&TOWNS);
    s.start();
    s.user(format!("I am moving to {town}. My new address?"));
    s.tool(
        "update_address",
        &json!({ "town": town }),
        &json!({ "updated": true }),
    );
    s.agent(format!("Noted: parcels go to {town} from now on."));
    s.end("completed");
}

fn again(s: &mut Script) {
    s.start();
    s.user("What did we choose for my sister?");
    let results = s.random.between(1, 4);
    s.search("present for her sister", results);
    s.agent("The one in your basket. Shall I order it?");
    s.user("Yes, please.");
    s.end("completed");
}
