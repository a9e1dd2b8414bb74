//! Small pictures: lines over time, and bars. Readable on light and on dark ground.

use std::fmt::Write as _;

/// Of the whole picture, and of the part inside the axes.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = WIDTH - 16.0;
const TOP: f64 = 48.0;
const BOTTOM: f64 = HEIGHT - 44.0;

/// Colours that are told apart on light and on dark ground, also by those who see few.
const COLOURS: [&str; 4] = ["#0a84c6", "#e0701a", "#1a9e6e", "#b65fc4"];

const STYLE: &str = "<style>\
svg{background:#fff;font:12px system-ui,sans-serif}\
text{fill:#333}.axis{stroke:#888}.grid{stroke:#ddd}\
@media (prefers-color-scheme:dark){svg{background:#16181c}text{fill:#ddd}.grid{stroke:#33363c}}\
</style>";

/// Lines that show how values change.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) title: &'static str,
    pub(super) x: &'static str,
    pub(super) y: &'static str,
    pub(super) series: Vec<(&'static str, Vec<(f64, f64)>)>,
}

/// Bars that show how many there are of each class.
#[derive(Debug)]
pub(super) struct Bars {
    pub(super) title: &'static str,
    pub(super) x: &'static str,
    pub(super) y: &'static str,
    pub(super) heights: Vec<(String, f64)>,
}

impl Lines {
    pub(super) fn draw(&self) -> String {
        let points = || self.series.iter().flat_map(|(_, points)| points);
        let x_max = points().map(|(x, _)| *x).fold(0.0, f64::max);
        let y_max = nice(points().map(|(_, y)| *y).fold(0.0, f64::max));
        let mut svg = frame(self.title, self.x, self.y, y_max);
        for step in 0..=4_u8 {
            let x = x_max * f64::from(step) / 4.0;
            label(&mut svg, place_x(x, x_max), BOTTOM + 16.0, "middle", &number(x));
        }
        for (nth, (name, points)) in self.series.iter().enumerate() {
            let colour = COLOURS[nth % COLOURS.len()];
            let path = points
                .iter()
                .map(|(x, y)| format!("{:.1},{:.1}", place_x(*x, x_max), place_y(*y, y_max)));
            let path = path.collect::<Vec<_>>().join(" ");
            put(
                &mut svg,
                format_args!(
                    "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{path}\"/>"
                ),
            );
            let x = RIGHT - 150.0 * (f64::from(u8::try_from(self.series.len() - nth).unwrap_or(1)));
            put(
                &mut svg,
                format_args!(
                    "<rect x=\"{x:.1}\" y=\"28\" width=\"10\" height=\"10\" fill=\"{colour}\"/>"
                ),
            );
            label(&mut svg, x + 14.0, 37.0, "start", name);
        }
        svg + "</svg>\n"
    }
}

impl Bars {
    pub(super) fn draw(&self) -> String {
        let y_max = nice(self.heights.iter().map(|(_, y)| *y).fold(0.0, f64::max));
        let mut svg = frame(self.title, self.x, self.y, y_max);
        let count = f64::from(u32::try_from(self.heights.len()).unwrap_or(u32::MAX)).max(1.0);
        let width = (RIGHT - LEFT) / count;
        // Only as many names as there is room for.
        let every = (30.0 / width).ceil().max(1.0);
        for (nth, (name, value)) in (0_u32..).zip(&self.heights) {
            let x = LEFT + width * f64::from(nth);
            let y = place_y(*value, y_max);
            put(
                &mut svg,
                format_args!(
                    "<rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\"/>",
                    x + width * 0.1,
                    width * 0.8,
                    BOTTOM - y,
                    COLOURS[0],
                ),
            );
            if f64::from(nth) % every == 0.0 {
                label(&mut svg, x + width / 2.0, BOTTOM + 16.0, "middle", name);
            }
        }
        svg + "</svg>\n"
    }
}

/// Title, axes, and lines across at nice heights.
fn frame(title: &str, x: &str, y: &str, y_max: f64) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\
         <title>{title}</title>{STYLE}\n"
    );
    label(&mut svg, LEFT, 18.0, "start", title);
    label(&mut svg, LEFT, 38.0, "start", y);
    label(&mut svg, RIGHT, HEIGHT - 8.0, "end", x);
    for step in 0..=4_u8 {
        let value = y_max * f64::from(step) / 4.0;
        let at = place_y(value, y_max);
        let class = if step == 0 { "axis" } else { "grid" };
        put(
            &mut svg,
            format_args!(
                "<line class=\"{class}\" x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{RIGHT}\" y2=\"{at:.1}\"/>"
            ),
        );
        label(&mut svg, LEFT - 6.0, at + 4.0, "end", &number(value));
    }
    svg
}

fn put(svg: &mut String, element: std::fmt::Arguments<'_>) {
    writeln!(svg, "{element}").unwrap_or_default();
}

fn label(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    put(
        svg,
        format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"),
    );
}

fn place_x(x: f64, x_max: f64) -> f64 {
    LEFT + (RIGHT - LEFT) * x / if x_max > 0.0 { x_max } else { 1.0 }
}

fn place_y(y: f64, y_max: f64) -> f64 {
    BOTTOM - (BOTTOM - TOP) * y / y_max
}

/// The next number up that people like to read, of which a quarter is one too.
fn nice(max: f64) -> f64 {
    if max <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(max.log10().floor());
    let steps = [1.0, 2.0, 4.0, 6.0, 8.0, 10.0];
    steps.into_iter().map(|it| it * power).find(|it| *it >= max * 0.999_999).unwrap_or(max)
}

fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_numbers_that_people_read() {
        for (max, expected) in [(0.7, 0.8), (16.0, 20.0), (1.0, 1.0), (0.0, 1.0), (3600.0, 4000.0)]
        {
            assert!((nice(max) - expected).abs() < 1e-9, "{max}: {}", nice(max));
        }
        assert_eq!([0.25, 10.0, 1500.0].map(number), ["0.25", "10", "1500"]);
    }

    #[test]
    fn pictures_hold_their_data_and_nothing_lies_outside() {
        let series = vec![("one", vec![(0.0, 1.0), (60.0, 4.0)]), ("two", vec![])];
        let svg = Lines { title: "t", x: "minutes", y: "links", series }.draw();
        assert!(svg.contains(&format!("{LEFT:.1},{:.1} {RIGHT:.1},{TOP:.1}", place_y(1.0, 4.0))));
        let bars = vec![("0".to_owned(), 0.0), ("1".to_owned(), 8.0)];
        let svg = Bars { title: "t", x: "links", y: "nodes", heights: bars }.draw();
        assert!(svg.contains(&format!("y=\"{TOP:.1}\"")) && svg.ends_with("</svg>\n"));
        assert!(svg.contains("prefers-color-scheme:dark"));
    }
}
