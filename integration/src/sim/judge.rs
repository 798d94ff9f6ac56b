//! What must be true of every history.

use std::time::Duration;

use gorgon_originator::ledger::{Ending, RetryResult};
use gorgon_proto::item::ItemId;

use super::child::{TESTS, test_id};
use super::originator::WAIT_LIMIT;
use super::plan::{HostPlan, Nature, Trouble};
use super::{GONE_WITHIN, World};

/// However bad a history is, its job ends by then.
const ENDS_WITHIN: Duration = Duration::from_secs(600);

/// Returns the first thing that is wrong.
pub(super) fn wrong(world: &World) -> Option<String> {
    world
        .truth
        .wrongs
        .first()
        .cloned()
        .or_else(|| ending(world))
        .or_else(|| verdicts(world))
        .or_else(|| tests(world))
        .or_else(|| reviews(world))
        .or_else(|| attempts(world))
        .or_else(|| retries(world))
        .or_else(|| slots(world))
        .or_else(|| left(world))
}

/// The job ends, in time, and as it should.
fn ending(world: &World) -> Option<String> {
    let truth = &world.truth;
    let Some((ending, at)) = &world.originator.ended else {
        let open = world.originator.open_items();
        return Some(format!("the job does not end; open: {open:?}"));
    };
    if *at - world.begun > ENDS_WITHIN {
        return Some(format!("the job ends only after {:?}", *at - world.begun));
    }
    let fits = match ending {
        Ending::Complete => world.originator.open_items().is_empty(),
        Ending::FailFast => world.plan.fail_fast.is_some() && truth.shut_by_fail_fast,
        Ending::Cancelled => truth.cancelled,
        // It waits for another, unless there were some and each has failed.
        Ending::NoListener { .. } => {
            let waited = *at - world.begun >= WAIT_LIMIT;
            truth.able_at_end.is_empty() && (waited || !truth.failed.is_empty())
        }
        Ending::HostsFailed { .. } => (1..world.machines.len()).any(|m| truth.failed.contains(&m)),
        Ending::LocalListenerDied { .. } => truth.listeners_ended > 2,
        Ending::BrokerGone | Ending::MessageTooLarge { .. } | Ending::NotBegun => false,
    };
    if !fits || (world.plan.is_calm() && !matches!(ending, Ending::Complete | Ending::FailFast)) {
        let able = &truth.able_at_end;
        return Some(format!("the job ends as {ending:?}, able hosts: {able:?}"));
    }
    None
}

/// One verdict an item; after a cancel, or under fail-fast, one at most.
fn verdicts(world: &World) -> Option<String> {
    let complete = matches!(world.originator.ended, Some((Ending::Complete, _)));
    // What parts leave may be nothing.
    let planned = world.originator.work.iter();
    let planned = planned.filter(|work| work.except.is_empty());
    let planned = planned.map(|work| work.item);
    let told = &world.truth.verdicts;
    for item in planned {
        if complete && !told.contains_key(&item) {
            return Some(format!("item {item} has no verdict"));
        }
    }
    let double = told.iter().find(|(_, verdicts)| verdicts.len() != 1)?;
    Some(format!("item {} has the verdicts {:?}", double.0, double.1))
}

/// Every test of a file has one result, in one part or the other.
fn tests(world: &World) -> Option<String> {
    if !matches!(world.originator.ended, Some((Ending::Complete, _))) || world.truth.sick {
        return None;
    }
    for (file, items) in &world.truth.parts {
        let nature = world.plan.nature_of(file);
        let sound = matches!(
            nature,
            Nature::Passes | Nature::Fails | Nature::Flaky | Nature::Relies | Nature::Follows
        );
        if !sound || items.values().any(|(_, ended)| !ended) {
            continue;
        }
        let mut ran: Vec<&String> = items.values().flat_map(|(tests, _)| tests).collect();
        ran.sort();
        let all: Vec<String> = (1..=TESTS).map(test_id).collect();
        if ran != all.iter().collect::<Vec<_>>() {
            return Some(format!("of {file} these tests have results: {ran:?}"));
        }
        // What fails in parts, and is not known to fail, is judged again.
        let doubtful = matches!(nature, Nature::Fails | Nature::Relies);
        let judged = items.keys().any(|of| world.truth.reviewed.contains_key(of));
        let judges = world.plan.fail_fast.is_none() && !world.truth.reviews_skipped;
        if doubtful && judges && items.len() > 1 && !judged {
            return Some(format!("{file} failed in parts and was not judged again"));
        }
    }
    None
}

/// What depends on what ran before is found to do so, and what fails by itself is not.
fn reviews(world: &World) -> Option<String> {
    let truth = &world.truth;
    for found in truth.reviewed.values() {
        let nature = world.plan.nature_of(&found.filename);
        let excused = !found.order_dependent.is_empty() || found.errors_too;
        let wrong = match nature {
            Nature::Fails | Nature::Unloadable | Nature::Crashes | Nature::Hangs => {
                excused || !found.flaky.is_empty()
            }
            Nature::Relies | Nature::Follows => !excused && !truth.broken_reviews,
            // Its luck decides.
            Nature::Flaky => false,
            Nature::Passes | Nature::Clashes => true,
        };
        if wrong && !truth.sick {
            return Some(format!("a file that {nature:?} was judged so: {found:?}"));
        }
    }
    let complete = matches!(world.originator.ended, Some((Ending::Complete, _)));
    let judges = world.plan.fail_fast.is_none() && !truth.reviews_skipped && !truth.sick;
    let mut failing = truth.failing.iter();
    let forgotten = failing.find(|(of, _)| {
        let Some(work) = world.originator.work.get(of.0 as usize) else {
            return false;
        };
        // If a part came to no end, its file is judged as it is.
        let parts = truth.parts.get(&work.filename);
        let whole = parts.is_none_or(|parts| parts.values().all(|(_, ended)| *ended));
        let follows = world.plan.nature_of(&work.filename) == Nature::Follows;
        follows && whole && !truth.reviewed.contains_key(of)
    });
    let of = forgotten.filter(|_| complete && judges)?;
    Some(format!(
        "item {} failed after others and was not judged again",
        of.0
    ))
}

/// No item runs for ever; where nothing goes wrong each runs once.
fn attempts(world: &World) -> Option<String> {
    let truth = &world.truth;
    // A manager that joins late is taken for one that follows another.
    let managers = truth
        .managers
        .saturating_sub(u32::try_from(world.plan.hosts.len()).unwrap_or(0));
    // What counts against an item is what was lost with a worker or its connection, no outage.
    for (item, lost) in &truth.lost {
        let losses = truth.losses_of(*item);
        if *lost > losses + managers {
            return Some(format!(
                "item {item} has lost {losses} attempts, told are {lost}"
            ));
        }
    }
    for (item, attempts) in &truth.attempts {
        let excused = truth.handed_back(*item)
            + 2 * truth.outages
            + truth.cuts
            + truth.lost_machines
            + managers;
        let most = 1 + truth.losses_of(*item).min(3) + excused;
        if *attempts > most {
            return Some(format!(
                "item {item} is queued as attempt {attempts} of {most}"
            ));
        }
    }
    // What is published twice may run twice: only who was cut off publishes twice.
    if truth.cuts == 0
        && truth.outages == 0
        && let Some((item, attempt)) = truth.ran_twice()
    {
        return Some(format!("attempt {attempt} of item {item} runs twice"));
    }
    let queued = truth
        .attempts
        .values()
        // A sick host hands back what it had.
        .filter(|_| world.plan.is_calm() && !truth.sick)
        .any(|n| *n > 1);
    queued.then(|| "an item runs again although nothing is wrong".to_owned())
}

/// What the retries of a test say ends with one outcome.
fn retries(world: &World) -> Option<String> {
    let truth = &world.truth;
    let most = world.plan.retries as usize;
    let whole = matches!(world.originator.ended, Some((Ending::Complete, _)))
        && !truth.retries_stopped
        && !truth.sick
        && !truth.shut;
    for ((item, test), said) in &truth.retried {
        let early = said.iter().rev().skip(1).any(|again| !again.failed());
        if said.len() > most || early {
            return Some(format!("test {test} of item {item} was retried: {said:?}"));
        }
    }
    let unsaid = |failing: &&(ItemId, String)| {
        let said = truth.retried.get(*failing);
        let last = said.and_then(|said| said.last());
        match last {
            Some(RetryResult::Ended(_)) => {
                last.is_some_and(RetryResult::failed) && said.map_or(0, Vec::len) < most
            }
            Some(RetryResult::Broken(_) | RetryResult::Gone(_)) => false,
            None => true,
        }
    };
    let forgotten = truth
        .failing
        .iter()
        .find(unsaid)
        .filter(|_| whole && most > 0)?;
    Some(format!(
        "test {} of item {} is not retried as it should",
        forgotten.1, forgotten.0
    ))
}

/// No slot is found sick that is well, and no failure is taken back of a file that a fresh run there would pass.
fn slots(world: &World) -> Option<String> {
    for (hostname, slot, items) in &world.truth.turned {
        let mut hosts = (1..).zip(&world.plan.hosts);
        let is_there = |host: &HostPlan| match host.trouble {
            Some(Trouble::Sick(sick)) => slot.is_none_or(|slot| slot == sick),
            _ => false,
        };
        let is_sick =
            hosts.any(|(machine, host)| format!("host{machine}") == *hostname && is_there(host));
        if is_sick {
            continue;
        }
        if let Some(slot) = slot {
            return Some(format!(
                "slot {slot} of {hostname} is well, and was found sick"
            ));
        }
        // A host may be unlucky with files that fail by themselves.
        let passes = |of: &&ItemId| {
            let work = world.originator.work.get(of.0 as usize);
            let nature = work.map(|work| world.plan.nature_of(&work.filename));
            matches!(
                nature,
                Some(Nature::Passes | Nature::Follows | Nature::Clashes)
            )
        };
        if items.iter().all(|of| passes(&of)) {
            return Some(format!(
                "{hostname} is well, and was found sick by files that pass there"
            ));
        }
    }
    None
}

/// Nobody is left, and nothing.
fn left(world: &World) -> Option<String> {
    if world.nobody_is_left() {
        return None;
    }
    // What a queue's owner has no time to delete expires.
    let slow = world.plan.lag_ms > 100;
    let excused = slow || world.truth.died_badly || world.truth.cuts > 0 || world.truth.outages > 0;
    if !world.workers.is_empty() || !world.managers.is_empty() {
        let workers: Vec<_> = world.workers.keys().collect();
        let managers: Vec<_> = world.managers.keys().collect();
        return Some(format!(
            "after {GONE_WITHIN:?} there are workers {workers:?}, managers {managers:?}"
        ));
    }
    if world.listeners.values().any(|l| !l.is_idle()) {
        return Some("a listener still has a job".to_owned());
    }
    let queues = world.queues_of_the_job();
    (!excused && !queues.is_empty()).then(|| format!("queues are left: {queues:?}"))
}
