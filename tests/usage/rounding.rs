//! Whether what is shown is next to what is exact.

use num_bigint::BigInt;
use vitrine::{
    model::usage::meter::HOUR,
    usage::{Line, Report},
};

/// Rounded figures are next to the exact ones, and add up to a total that is rounded once.
pub fn check_rounding(report: &Report) {
    let month = BigInt::from(1_000_000_000_i64) * 730 * HOUR;
    let sections = [(&report.images, true), (&report.licenses, false)];
    for (section, is_images) in sections {
        let lines = &section.lines;
        let exact = |line: &Line| (&line.byte_time * 1_000_000, line.months.clone());
        if is_images {
            check(lines.iter().map(exact).collect(), &section.total.months, &month);
        }
        let denominator = if is_images { &month * 1_000_000 } else { BigInt::from(HOUR) * 1_000_000 };
        let priced = lines.iter().filter_map(|line| {
            let rate = line.rate.unwrap_or(0);
            assert_eq!(line.amount.is_some(), line.rate.is_some());
            Some((&line.byte_time * rate * 10_000, line.amount.clone()?))
        });
        check(priced.collect(), &section.total.amount, &denominator);
    }
}

/// Each exact figure, times the denominator, with what it was rounded to.
fn check(figures: Vec<(BigInt, BigInt)>, total: &BigInt, denominator: &BigInt) {
    let whole: BigInt = figures.iter().map(|(exact, _)| exact).sum();
    let twice_off: BigInt = (&whole - total * denominator) * 2;
    let is_even = total % 2 == BigInt::ZERO;
    let limit = denominator.clone();
    assert!(twice_off.magnitude() <= limit.magnitude(), "{total} is not next to {whole}");
    assert!(twice_off.magnitude() != limit.magnitude() || is_even, "halves go to the even neighbour");
    assert_eq!(&figures.iter().map(|(_, rounded)| rounded).sum::<BigInt>(), total);
    for (exact, rounded) in &figures {
        let off: BigInt = exact - rounded * denominator;
        assert!(off.magnitude() < denominator.magnitude(), "{rounded}");
    }
}
