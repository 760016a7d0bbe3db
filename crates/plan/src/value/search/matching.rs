//! Whether a vector has what a query asks for.

use super::query::{Lexeme, Node};
use super::vector::Place;
use super::{TsQuery, TsVector};

impl TsVector {
    /// `vector @@ query`
    pub fn matches(&self, query: &TsQuery) -> bool {
        query.root.as_ref().is_some_and(|root| self.has(root))
    }

    fn has(&self, node: &Node) -> bool {
        match node {
            Node::Stop => false,
            // A lexeme that stands nowhere may have any weight.
            Node::Lexeme(lexeme) => self
                .found(lexeme)
                .any(|places| places.is_empty() || places.iter().any(|place| lexeme.has_weight(*place))),
            Node::Not(inner) => !self.has(inner),
            Node::And(left, right) => self.has(left) && self.has(right),
            Node::Or(left, right) => self.has(left) || self.has(right),
            Node::Phrase(left, right, distance) => {
                Spots::in_phrase(self.spots(left), self.spots(right), usize::from(*distance)).is_some()
            }
        }
    }

    fn found<'v>(&'v self, lexeme: &'v Lexeme) -> impl Iterator<Item = &'v Vec<Place>> {
        let range = self.lexemes.range(lexeme.text.clone()..);
        let fits = |text: &str| if lexeme.prefix { text.starts_with(&lexeme.text) } else { text == lexeme.text };
        range.take_while(move |(text, _)| fits(text)).map(|(_, places)| places)
    }

    /// Where `node` holds; `None` when nowhere.
    fn spots(&self, node: &Node) -> Option<Spots> {
        match node {
            Node::Stop => None,
            Node::Lexeme(lexeme) => {
                let places = self.found(lexeme).flatten().filter(|place| lexeme.has_weight(**place));
                let mut at: Vec<usize> = places.map(|place| usize::from(place.position)).collect();
                at.sort_unstable();
                at.dedup();
                (!at.is_empty()).then_some(Spots { at, everywhere_but: false, width: 0 })
            }
            Node::Not(inner) => match self.spots(inner) {
                None => Some(Spots { at: Vec::new(), everywhere_but: true, width: 0 }),
                Some(spots) if spots.at.is_empty() && spots.everywhere_but => None,
                Some(spots) => Some(Spots { everywhere_but: !spots.everywhere_but, ..spots }),
            },
            Node::Phrase(left, right, distance) => {
                Spots::in_phrase(self.spots(left), self.spots(right), usize::from(*distance))
            }
            Node::And(left, right) => {
                let (left, right) = (self.spots(left)?, self.spots(right)?);
                let width = left.width.max(right.width);
                let shifts = (width - left.width, width - right.width);
                Spots::both(&left, &right, shifts, width)
            }
            Node::Or(left, right) => Spots::either(self.spots(left), self.spots(right)),
        }
    }
}

impl Lexeme {
    fn has_weight(&self, place: Place) -> bool {
        self.weights == 0 || self.weights & (1 << place.weight) != 0
    }
}

/// Positions at which something ends, or at which it does not.
struct Spots {
    at: Vec<usize>,
    everywhere_but: bool,
    /// How far before its end it begins.
    width: usize,
}

impl Spots {
    fn in_phrase(left: Option<Self>, right: Option<Self>, distance: usize) -> Option<Self> {
        let (left, right) = (left?, right?);
        let shifts = (distance + right.width, 0);
        let width = distance + left.width + right.width;
        Self::both(&left, &right, shifts, width)
    }

    /// Where both are, each moved to the right by its shift.
    fn both(left: &Self, right: &Self, shifts: (usize, usize), width: usize) -> Option<Self> {
        let (l, r) = (left.shifted(shifts.0), right.shifted(shifts.1));
        let (at, everywhere_but) = match (left.everywhere_but, right.everywhere_but) {
            (true, true) => (union(&l, &r), true),
            (true, false) => (without(&r, &l), false),
            (false, true) => (without(&l, &r), false),
            (false, false) => (l.into_iter().filter(|at| r.binary_search(at).is_ok()).collect(), false),
        };
        (everywhere_but || !at.is_empty()).then_some(Self { at, everywhere_but, width })
    }

    fn either(left: Option<Self>, right: Option<Self>) -> Option<Self> {
        if left.is_none() && right.is_none() {
            return None;
        }
        let nowhere = || Self { at: Vec::new(), everywhere_but: false, width: 0 };
        let (left, right) = (left.unwrap_or_else(nowhere), right.unwrap_or_else(nowhere));
        let width = left.width.max(right.width);
        let (l, r) = (left.shifted(width - left.width), right.shifted(width - right.width));
        let (at, everywhere_but) = match (left.everywhere_but, right.everywhere_but) {
            (true, true) => (l.into_iter().filter(|at| r.binary_search(at).is_ok()).collect(), true),
            (true, false) => (without(&l, &r), true),
            (false, true) => (without(&r, &l), true),
            (false, false) => (union(&l, &r), false),
        };
        (everywhere_but || !at.is_empty()).then_some(Self { at, everywhere_but, width })
    }

    fn shifted(&self, by: usize) -> Vec<usize> {
        self.at.iter().map(|at| at + by).collect()
    }
}

fn union(left: &[usize], right: &[usize]) -> Vec<usize> {
    let mut all = [left, right].concat();
    all.sort_unstable();
    all.dedup();
    all
}

fn without(left: &[usize], right: &[usize]) -> Vec<usize> {
    left.iter().copied().filter(|at| right.binary_search(at).is_err()).collect()
}
