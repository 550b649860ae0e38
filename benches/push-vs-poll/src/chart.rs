//! The curves: how many of the watchers know of a change, so long after it. Time is logarithmic, as
//! the two ways are some thousand times apart.

use std::{fmt::Write as _, time::Duration};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 56.0;
/// Seconds at both ends of the axis.
const FIRST: f64 = 0.0001;
const LAST: f64 = 100.0;

/// The chart, as SVG. Both are sorted.
pub(crate) fn draw(polled: &[Duration], pushed: &[Duration]) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"14\" role=\"img\">\n\
         <title>Time from event to knowledge, polled and pushed</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"28\" font-size=\"17\" fill=\"#1f2933\">Watchers who know of a change, \
         by time since it happened</text>\n"
    );
    grid(&mut svg);
    for (name, color, times) in [("pushed", "#0b7285", pushed), ("polled", "#c2410c", polled)] {
        curve(&mut svg, name, color, times);
    }
    svg + "</svg>\n"
}

fn grid(svg: &mut String) {
    let marks = [
        (0.0001, "0.1 ms"),
        (0.001, "1 ms"),
        (0.01, "10 ms"),
        (0.1, "0.1 s"),
        (1.0, "1 s"),
        (10.0, "10 s"),
        (100.0, "100 s"),
    ];
    let bottom = HEIGHT - BOTTOM;
    for (seconds, name) in marks {
        let x = x(seconds);
        line(svg, (x, TOP), (x, bottom));
        text(svg, (x, bottom + 22.0), "middle", name);
    }
    for percent in [0.0, 25.0, 50.0, 75.0, 100.0] {
        let y = y(percent / 100.0);
        line(svg, (LEFT, y), (WIDTH - RIGHT, y));
        text(svg, (LEFT - 8.0, y + 5.0), "end", &format!("{percent} %"));
    }
    text(svg, ((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 10.0), "middle", "time since the change");
}

fn curve(svg: &mut String, name: &str, color: &str, times: &[Duration]) {
    let mut path = format!("M{:.1} {:.1}", x(FIRST), y(0.0));
    let count = times.len() as f64;
    // More points than the picture has pixels are none the wiser.
    let step = (times.len() / 400).max(1);
    for (at, time) in times.iter().enumerate() {
        if at % step == 0 || at + 1 == times.len() {
            let known = (at + 1) as f64 / count;
            let _ = write!(path, " L{:.1} {:.1}", x(time.as_secs_f64()), y(known));
        }
    }
    let _ = write!(path, " L{:.1} {:.1}", x(LAST), y(1.0));
    let _ =
        writeln!(svg, "<path d=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2.5\"/>");
    let middle = times.get(times.len() / 2).map_or(FIRST, Duration::as_secs_f64);
    let (x, anchor) = match middle > 1.0 {
        true => (x(middle) - 12.0, "end"),
        false => (x(middle) + 14.0, "start"),
    };
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" fill=\"{color}\" \
         font-weight=\"bold\">{name}</text>",
        y(0.5) + 5.0
    );
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    let _ = writeln!(
        svg,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"#d9e2ec\"/>",
        from.0, from.1, to.0, to.1
    );
}

fn text(svg: &mut String, at: (f64, f64), anchor: &str, words: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" fill=\"#52606d\">{words}</text>",
        at.0, at.1
    );
}

fn x(seconds: f64) -> f64 {
    let part = (seconds.clamp(FIRST, LAST) / FIRST).log10() / (LAST / FIRST).log10();
    LEFT + part * (WIDTH - LEFT - RIGHT)
}

fn y(part: f64) -> f64 {
    HEIGHT - BOTTOM - part * (HEIGHT - BOTTOM - TOP)
}
