//! Which overload a call means: PostgreSQL's rules ("Operator Type Resolution", "Function Type Resolution").

use crate::value::Type;

use super::coerce::{Category, Context, cast_context, category, common, is_preferred, same, unsized_type};
use super::functions::{Kind, Signature};

/// An overload that a call might mean, spread to as many parameters as the call has arguments.
#[derive(Clone, Debug)]
pub(super) struct Candidate<T> {
    pub(super) params: Vec<Param>,
    pub(super) of: T,
}

/// What one parameter takes.
#[derive(Clone, Debug)]
pub(super) enum Param {
    Type(Type),
    /// A kind that stands for more than one type.
    Open(Kind),
}

impl From<Kind> for Param {
    fn from(kind: Kind) -> Self {
        kind.ty().map_or(Self::Open(kind), Self::Type)
    }
}

impl Candidate<Signature> {
    /// The signature as a candidate for `count` arguments.
    pub(super) fn of(signature: Signature, count: usize) -> Option<Self> {
        let declared = signature.args.len();
        if count != declared && !(signature.variadic && count > declared) {
            return None;
        }
        let last = signature.args.last().copied();
        let params = (0..count).filter_map(|index| signature.args.get(index).copied().or(last)).map(Param::from);
        Some(Self { params: params.collect(), of: signature })
    }
}

impl Param {
    fn is_exactly(&self, ty: &Type) -> bool {
        match self {
            Self::Type(own) => same(own, ty),
            Self::Open(_) => false,
        }
    }

    fn takes(&self, ty: &Type) -> bool {
        let base = ty.base();
        match self {
            Self::Type(own) => cast_context(ty, own) == Some(Context::Implicit),
            Self::Open(_) if matches!(base, Type::Unknown) => true,
            Self::Open(Kind::AnyArray | Kind::AnyCompatibleArray) => matches!(base, Type::Array(_)),
            Self::Open(Kind::AnyNonArray) => !matches!(base, Type::Array(_)),
            Self::Open(Kind::AnyEnum) => matches!(base, Type::Enum(_)),
            Self::Open(_) => true,
        }
    }

    fn category(&self) -> Category {
        match self {
            Self::Type(ty) => category(ty),
            Self::Open(_) => Category::Pseudo,
        }
    }

    fn is_preferred(&self) -> bool {
        match self {
            Self::Type(ty) => is_preferred(ty),
            Self::Open(_) => false,
        }
    }
}

/// The one that takes exactly these types.
pub(super) fn exact<'c, T>(candidates: &'c [Candidate<T>], types: &[Type]) -> Option<&'c Candidate<T>> {
    let fits = |candidate: &&Candidate<T>| candidate.params.iter().zip(types).all(|(p, ty)| p.is_exactly(ty));
    candidates.iter().find(fits)
}

/// What choosing among overloads ends with.
#[derive(Debug)]
pub(super) enum Choice<'c, T> {
    One(&'c Candidate<T>),
    None,
    Ambiguous,
}

/// The best by PostgreSQL's rules; `types` with [`Type::Unknown`] for bare constants.
pub(super) fn choose<'c, T>(candidates: &'c [Candidate<T>], types: &[Type]) -> Choice<'c, T> {
    let types: Vec<Type> = types.iter().map(|ty| ty.base().clone()).collect();
    let mut left: Vec<&Candidate<T>> =
        candidates.iter().filter(|candidate| take_all(&candidate.params, &types)).collect();
    if left.is_empty() {
        return Choice::None;
    }
    keep_best(&mut left, |candidate| score(candidate, &types, Param::is_exactly));
    if left.len() > 1 {
        keep_best(&mut left, |candidate| {
            score(candidate, &types, |param, ty| param.is_exactly(ty) || preferred_for(param, ty))
        });
    }
    if left.len() > 1 && types.contains(&Type::Unknown) {
        keep_by_category(&mut left, &types);
        if left.len() > 1 {
            keep_by_known_type(&mut left, &types);
        }
    }
    match left.as_slice() {
        [one] => Choice::One(one),
        _ => Choice::Ambiguous,
    }
}

/// Whether each parameter takes its argument, and the open ones agree.
fn take_all(params: &[Param], types: &[Type]) -> bool {
    params.iter().zip(types).all(|(param, ty)| param.takes(ty))
        && solve(params, types, |types| common(types).ok()).is_some()
}

fn preferred_for(param: &Param, ty: &Type) -> bool {
    param.is_preferred() && param.category() == category(ty)
}

fn score<T>(candidate: &Candidate<T>, types: &[Type], counts: impl Fn(&Param, &Type) -> bool) -> usize {
    let known = candidate.params.iter().zip(types).filter(|(_, ty)| **ty != Type::Unknown);
    known.filter(|(param, ty)| counts(param, ty)).count()
}

fn keep_best<T>(left: &mut Vec<&Candidate<T>>, score: impl Fn(&Candidate<T>) -> usize) {
    let best = left.iter().map(|candidate| score(candidate)).max().unwrap_or(0);
    left.retain(|candidate| score(candidate) == best);
}

/// For each bare constant: text wins, else the one category that all agree on; preferred types within it.
fn keep_by_category<T>(left: &mut Vec<&Candidate<T>>, types: &[Type]) {
    let mut wanted = Vec::new();
    for (index, _) in types.iter().enumerate().filter(|(_, ty)| **ty == Type::Unknown) {
        let categories: Vec<Category> = left.iter().map(|candidate| candidate.params[index].category()).collect();
        let chosen = if categories.contains(&Category::String) {
            Category::String
        } else if categories.iter().all(|category| *category == categories[0]) {
            categories[0]
        } else {
            return;
        };
        let of_category = left.iter().map(|candidate| &candidate.params[index]).filter(|p| p.category() == chosen);
        let preferred = of_category.into_iter().any(Param::is_preferred);
        wanted.push((index, chosen, preferred));
    }
    let fits = |candidate: &&Candidate<T>| {
        wanted.iter().all(|(index, category, preferred)| {
            let param = &candidate.params[*index];
            param.category() == *category && (!preferred || param.is_preferred())
        })
    };
    if left.iter().any(fits) {
        left.retain(|candidate| fits(candidate));
    }
}

/// When all known arguments have one type, the bare constants are taken to have it too.
fn keep_by_known_type<T>(left: &mut Vec<&Candidate<T>>, types: &[Type]) {
    let mut known = types.iter().filter(|ty| **ty != Type::Unknown);
    let Some(first) = known.next() else { return };
    if !known.all(|ty| same(ty, first)) {
        return;
    }
    let all: Vec<Type> = types.iter().map(|_| first.clone()).collect();
    let fits = |candidate: &&Candidate<T>| take_all(&candidate.params, &all);
    if left.iter().filter(|candidate| fits(candidate)).count() == 1 {
        left.retain(|candidate| fits(candidate));
    }
}

/// The types that the open kinds of a call stand for.
#[derive(Debug)]
pub(super) struct Solution {
    element: Option<Type>,
    compatible: Option<Type>,
}

/// Finds what the open kinds stand for; `None` when the arguments do not agree. `common` picks one type for several.
pub(super) fn solve(params: &[Param], types: &[Type], common: impl Fn(&[Type]) -> Option<Type>) -> Option<Solution> {
    let mut elements = Vec::new();
    let mut compatible = Vec::new();
    for (param, ty) in params.iter().zip(types) {
        let Param::Open(kind) = param else { continue };
        let ty = ty.base();
        match (kind, ty) {
            (Kind::AnyArray, Type::Array(item)) => elements.push((**item).clone()),
            (Kind::AnyCompatibleArray, Type::Array(item)) => compatible.push((**item).clone()),
            (Kind::Any | Kind::AnyArray | Kind::AnyCompatibleArray, _) | (_, Type::Unknown) => {}
            (Kind::AnyCompatible, _) => compatible.push(ty.clone()),
            _ => elements.push(ty.clone()),
        }
    }
    let agree = elements.windows(2).all(|pair| same(&pair[0], &pair[1]));
    if !agree {
        return None;
    }
    let element = elements.first().map(unsized_type);
    let compatible = if compatible.is_empty() { None } else { Some(common(&compatible)?) };
    Some(Solution { element, compatible })
}

impl Solution {
    /// The type that `param` stands for, given an argument of type `ty`; `None` when nothing tells.
    pub(super) fn param(&self, param: &Param, ty: &Type) -> Option<Type> {
        match param {
            Param::Type(own) => Some(own.clone()),
            Param::Open(Kind::Any) if *ty == Type::Unknown => Some(Type::Text),
            Param::Open(Kind::Any) => Some(ty.clone()),
            Param::Open(kind) => self.kind(*kind),
        }
    }

    /// The type of a result of `kind`.
    pub(super) fn kind(&self, kind: Kind) -> Option<Type> {
        match kind {
            Kind::AnyArray => self.element.clone().map(|item| Type::Array(Box::new(item))),
            Kind::AnyElement | Kind::AnyNonArray | Kind::AnyEnum => self.element.clone(),
            // Only constants: PostgreSQL takes them for text.
            Kind::AnyCompatible => Some(self.compatible.clone().unwrap_or(Type::Text)),
            Kind::AnyCompatibleArray => Some(Type::Array(Box::new(self.compatible.clone().unwrap_or(Type::Text)))),
            other => other.ty(),
        }
    }
}
