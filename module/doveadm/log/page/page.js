/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The charts of the report, drawn by Chart.js from the data in the page. */
"use strict";
(function () {
	var data = JSON.parse(document.getElementById("data").textContent);
	var charts = [];

	function color(name) {
		return getComputedStyle(document.documentElement)
			.getPropertyValue(name).trim();
	}

	/* Addresses of IPv6 differ at their ends, and names at both. */
	function short(text) {
		var chars = Array.from(text);
		return chars.length > 22 ? chars.slice(0, 8).join("") +
			"\u2026" + chars.slice(-13).join("") : text;
	}

	/* "2024-02-29 14:00", "2024-02-29" or "2024-02", shorter */
	function time(text) {
		var months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul",
			"Aug", "Sep", "Oct", "Nov", "Dec"];
		var month = months[text.slice(5, 7) - 1];
		if (text.length < 10)
			return month + " " + text.slice(0, 4);
		return Number(text.slice(8, 10)) + " " + month + text.slice(10);
	}

	function bytes(value) {
		var units = ["B", "kB", "MB", "GB", "TB", "PB"];
		var i = 0;
		while (value >= 1000 && i < units.length - 1) {
			value /= 1000;
			i++;
		}
		return (value >= 100 || i === 0 ? Math.round(value) :
			Math.round(value * 10) / 10) + " " + units[i];
	}

	function number(value) {
		return value.toLocaleString("en");
	}

	/* Add a chart to a section. names are its colors. */
	function add(section, title, config, rows) {
		var box = document.createElement("div");
		var canvas = document.createElement("canvas");
		box.className = rows ? "chart" : "chart tall";
		if (rows)
			box.style.height = (4.5 + 1.7 * rows) + "rem";
		canvas.setAttribute("role", "img");
		canvas.setAttribute("aria-label", title);
		box.appendChild(canvas);
		document.querySelector("#" + section + " .charts")
			.appendChild(box);
		config.options = Object.assign({
			animation: false, maintainAspectRatio: false,
			plugins: {}
		}, config.options);
		config.options.plugins.title = { display: true, text: title };
		config.options.plugins.colors = { enabled: false };
		config.names = config.data.datasets.map(function (set) {
			set.backgroundColor = color(set.color);
			return set.color;
		});
		charts.push({ chart: new Chart(canvas, config), config: config });
	}

	function paint() {
		Chart.defaults.color = color("--faint");
		Chart.defaults.borderColor = color("--line");
		charts.forEach(function (item) {
			item.chart.data.datasets.forEach(function (set, i) {
				set.backgroundColor =
					color(item.config.names[i]);
			});
			item.chart.options.color = color("--faint");
			Object.keys(item.chart.options.scales || {}).forEach(
				function (axis) {
					var o = item.chart.options.scales[axis];
					o.ticks.color = color("--faint");
					o.grid.color = color("--line");
				});
			item.chart.options.plugins.title.color = color("--ink");
			item.chart.resize();
			item.chart.update("none");
		});
	}

	function values(rows, name) {
		return rows.map(function (row) { return row[name]; });
	}

	/* A bar for each row; where the names are times, upright. */
	function bars(section, title, rows, label, sets, format, upright) {
		var value = { beginAtZero: true, stacked: true, grid: {},
			ticks: { callback: format, maxTicksLimit: 6 } };
		var name = { stacked: true, grid: { display: false },
			ticks: upright ? { maxRotation: 0, autoSkipPadding: 12 } :
				{ autoSkip: false } };
		if (format === number)
			value.ticks.precision = 0;
		add(section, title, {
			type: "bar",
			data: {
				labels: rows.map(function (row) {
					return upright ? time(row[label]) :
						short(row[label]);
				}),
				datasets: sets
			},
			options: {
				indexAxis: upright ? "x" : "y",
				scales: upright ? { x: name, y: value } :
					{ x: value, y: name },
				plugins: {
					legend: { display: sets.length > 1,
						position: "bottom" },
					tooltip: { callbacks: {
						title: function (items) {
							return rows[items[0]
								.dataIndex][label];
						},
						label: function (item) {
							return item.dataset.label +
								": " +
								format(item.raw);
						}
					} }
				}
			}
		}, upright ? 0 : rows.length);
	}

	function some(section) {
		return (data[section] || []).slice(0, 20);
	}

	Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
	if (data.times && data.times.length > 0) {
		bars("times", "Sessions", data.times, "name", [
			{ label: "with TLS", color: "--a",
				data: data.times.map(function (row) {
					return row.sessions - row.count;
				}) },
			{ label: "without TLS", color: "--b",
				data: values(data.times, "count") }
		], number, true);
		bars("times", "Bytes sent", data.times, "name", [
			{ label: "bytes sent", color: "--a",
				data: values(data.times, "bytes") }
		], bytes, true);
	}
	[
		["users", "Bytes sent", "name", "bytes", bytes, "--a"],
		["addresses", "Sessions", "address", "sessions", number, "--a"],
		["polls", "Sessions too soon", "name", "count", number, "--b"],
		["again", "Messages downloaded again", "name", "messages",
			number, "--b"],
		["no-tls", "Passwords in the clear", "name", "count", number,
			"--b"],
		["refused", "Refused logins", "address", "count", number,
			"--b"],
		["ends", "Sessions", "name", "count", number, "--a"]
	].forEach(function (chart) {
		var rows = some(chart[0]).filter(function (row) {
			return row[chart[3]] > 0;
		});
		if (rows.length > 1) {
			bars(chart[0], chart[1], rows, chart[2], [
				{ label: chart[1], color: chart[5],
					data: values(rows, chart[3]) }
			], chart[4], false);
		}
	});
	paint();
	/* paper is white whatever the screen is; the canvases keep what they
	   were painted with */
	addEventListener("beforeprint", paint);
	addEventListener("afterprint", paint);
	matchMedia("(prefers-color-scheme: dark)")
		.addEventListener("change", paint);
	matchMedia("print").addEventListener("change", paint);
}());
