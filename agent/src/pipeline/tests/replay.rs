use std::collections::BTreeMap;

use cabinwatch_shared::window::Window;
use proptest::prelude::*;

use super::*;
use crate::sources::Cursor;

const POINTS: [&str; 3] = ["DHCP", "DNS", "PORTAL | login"];

/// What a test does to the agent.
#[derive(Clone, Debug)]
enum Step {
    /// A batch of events: seconds after the newest so far (or before), point, description, state.
    Events(Vec<(i64, usize, u8, bool)>),
    /// The group's time runs out.
    Commit,
    /// The process is killed; what was not committed is read again.
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    let event = (-40_i64..60, 0..POINTS.len(), 0_u8..4, any::<bool>());
    prop_oneof![
        4 => prop::collection::vec(event, 1..20).prop_map(Step::Events),
        2 => Just(Step::Commit),
        1 => Just(Step::Kill),
    ]
}

type Reference = BTreeMap<(i64, String), u64>;

/// The plainest possible count: an event is late if its window's end and the lateness lie behind the newest event.
fn reference(events: &[(i64, &str, String, EventState)], seconds: u32) -> Reference {
    let mut counts = Reference::new();
    let mut newest = i64::MIN;
    for (at, point, description, state) in events {
        let start = Window::containing(UnixMillis((T0 + at) * 1000), length(seconds)).start().0 - T0;
        if newest != i64::MIN && start + i64::from(seconds) + 30 <= newest {
            continue;
        }
        newest = newest.max(*at);
        let name = if *state == FAIL { format!("{point} | {description}") } else { (*point).to_owned() };
        *counts.entry((start, name)).or_default() += 1;
    }
    counts
}

fn counted(agent: &Agent) -> Reference {
    let mut counts = Reference::new();
    for (start, points, keys) in agent.windows() {
        for (name, count) in points.into_iter().chain(keys) {
            assert_eq!(counts.insert((start, name), count), None, "a window is made once");
        }
    }
    counts
}

type Batch = Vec<(i64, &'static str, String, EventState)>;

/// A source that hands over batches, each with how far it has read.
fn feed(agent: &mut Agent, batches: &[Batch], first: usize) {
    for (place, events) in batches.iter().enumerate().skip(first) {
        let mut batch = EventBatch::default();
        for (at, point, description, state) in events {
            push(&mut batch, (*at, point, description, *state));
        }
        batch.cursors.push(Cursor { name: "source".to_owned(), position: vec![place as u8 + 1] });
        agent.take(Input::Batch(batch));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_is_killed_when_each_event_counts_once(steps in prop::collection::vec(step(), 1..25)) {
        let mut agent = Agent::start_with(|settings| settings.length = length(60));
        agent.clock.advance(100_000);
        let mut batches: Vec<Batch> = Vec::new();
        let mut now = 0;
        for step in &steps {
            match step {
                Step::Events(events) => {
                    let mut batch = Batch::new();
                    for (ahead, point, description, fail) in events {
                        let at = (now + ahead).max(0);
                        now = now.max(at);
                        let state = if *fail { FAIL } else { SUCCESS };
                        batch.push((at, POINTS[*point], format!("kind {description}"), state));
                    }
                    batches.push(batch);
                    feed(&mut agent, &batches, batches.len() - 1);
                }
                Step::Commit => agent.commit(),
                Step::Kill => {
                    agent.restart();
                    let read = agent.engine().cursors().get("source").map_or(0, |position| position[0]);
                    feed(&mut agent, &batches, usize::from(read));
                }
            }
        }
        agent.commit();
        agent.restart();
        agent.pass(200);
        let all: Vec<_> = batches.into_iter().flatten().collect();
        prop_assert_eq!(counted(&agent), reference(&all, 60));
    }
}
