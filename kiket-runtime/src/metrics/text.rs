//! The text format of Prometheus, version 0.0.4.

use std::fmt::{Display, Write as _};

use super::counters::Histogram;

/// The content type of the format.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Metrics as a text, one family after the other.
#[derive(Debug, Default)]
pub(crate) struct Page {
    text: String,
    family: &'static str,
}

/// The labels of a sample: names and values.
pub(crate) type Labels<'l> = &'l [(&'static str, &'l str)];

impl Page {
    /// Begins a family of counters, whose name ends in `_total`.
    pub(crate) fn counter(&mut self, name: &'static str, help: &str) -> &mut Self {
        self.begin(name, "counter", help)
    }

    /// Begins a family of gauges.
    pub(crate) fn gauge(&mut self, name: &'static str, help: &str) -> &mut Self {
        self.begin(name, "gauge", help)
    }

    /// Begins a family of histograms.
    pub(crate) fn histogram(&mut self, name: &'static str, help: &str) -> &mut Self {
        self.begin(name, "histogram", help)
    }

    fn begin(&mut self, name: &'static str, kind: &str, help: &str) -> &mut Self {
        self.family = name;
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        self
    }

    /// Adds a sample of the family.
    pub(crate) fn sample(&mut self, labels: Labels<'_>, value: impl Display) -> &mut Self {
        self.line("", labels, None, value);
        self
    }

    /// Samples that differ in one label.
    pub(crate) fn counts<'v>(
        &mut self,
        label: &'static str,
        counts: impl IntoIterator<Item = (&'v str, u64)>,
    ) {
        for (value, count) in counts {
            self.sample(&[(label, value)], count);
        }
    }

    /// Adds the samples of one histogram of the family.
    pub(crate) fn samples<const N: usize>(
        &mut self,
        labels: Labels<'_>,
        histogram: &Histogram<N>,
    ) -> &mut Self {
        let (below, all) = histogram.cumulated();
        for (bound, count) in below {
            self.line("_bucket", labels, Some(&bound), count);
        }
        self.line("_bucket", labels, Some(&"+Inf"), all);
        self.line("_sum", labels, None, histogram.sum());
        self.line("_count", labels, None, all);
        self
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<&dyn Display>, value: impl Display) {
        self.text.push_str(self.family);
        self.text.push_str(suffix);
        let mut open = '{';
        for (name, value) in labels {
            let _ = write!(self.text, "{open}{name}=\"");
            value.chars().for_each(|letter| self.escape(letter));
            self.text.push('"');
            open = ',';
        }
        if let Some(bound) = bound {
            let _ = write!(self.text, "{open}le=\"{bound}\"");
            open = ',';
        }
        let close = if open == ',' { "}" } else { "" };
        let _ = writeln!(self.text, "{close} {value}");
    }

    fn escape(&mut self, letter: char) {
        match letter {
            '\\' => self.text.push_str("\\\\"),
            '"' => self.text.push_str("\\\""),
            '\n' => self.text.push_str("\\n"),
            letter => self.text.push(letter),
        }
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn families_are_written_as_prometheus_reads_them() {
        const BOUNDS: [f64; 2] = [0.0005, 10.0];
        let histogram = Histogram::new(&BOUNDS);
        histogram.observe(Duration::from_millis(250));
        let mut page = Page::default();
        page.counter("a_total", "Things").sample(&[("x", "1"), ("y", "say \"hi\"\\\n")], 7);
        page.gauge("b", "Level").sample(&[], 0.5);
        page.histogram("c_seconds", "Waits").samples(&[("x", "1")], &histogram).samples(&[], &histogram);
        let expected = "# HELP a_total Things\n# TYPE a_total counter\na_total{x=\"1\",y=\"say \\\"hi\\\"\\\\\\n\"} 7\n\
            # HELP b Level\n# TYPE b gauge\nb 0.5\n\
            # HELP c_seconds Waits\n# TYPE c_seconds histogram\n\
            c_seconds_bucket{x=\"1\",le=\"0.0005\"} 0\nc_seconds_bucket{x=\"1\",le=\"10\"} 1\n\
            c_seconds_bucket{x=\"1\",le=\"+Inf\"} 1\nc_seconds_sum{x=\"1\"} 0.25\nc_seconds_count{x=\"1\"} 1\n\
            c_seconds_bucket{le=\"0.0005\"} 0\nc_seconds_bucket{le=\"10\"} 1\nc_seconds_bucket{le=\"+Inf\"} 1\n\
            c_seconds_sum 0.25\nc_seconds_count 1\n";
        assert_eq!(page.into_text(), expected);
    }
}
