// Ethogram: bars of behaviour over the last minutes, one row for each source, by colour and by letter.

// Okabe and Ito's colours with the text that can be read on each.
const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#56b4e9", "#d55e00", "#cc79a7", "#f0e442", "#22302b"];
const DARK = new Set(["#0072b2", "#22302b"]);
const ROW = 34;
const LABEL = 18;
// What a snapshot holds at most, and what is drawn at least, s.
const LONGEST_S = 600;
const SHORTEST_S = 120;

export function colourOf(index) {
  return COLOURS[index % COLOURS.length];
}

export function inkOn(colour) {
  return DARK.has(colour) ? "#ffffff" : "#000000";
}

// Letters by which behaviours are known in a bar: the first ones that tell them apart.
export function lettersOf(names) {
  const found = new Map();
  for (const name of names) {
    let length = 1;
    while (length < name.length && names.some((other) => other !== name && other.startsWith(name.slice(0, length)))) {
      length += 1;
    }
    found.set(name, name.slice(0, Math.min(length, 3)));
  }
  return found;
}

// rows: [{source, bouts: [[start, end, behaviour], …]}, …]; began, now: seconds since 1970.
export function draw(canvas, rows, names, began, now) {
  const span = Math.min(LONGEST_S, Math.max(SHORTEST_S, 60 * Math.ceil((now - began) / 60)));
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = rows.length * (ROW + LABEL) + LABEL;
  canvas.style.height = `${height}px`;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const letters = lettersOf(names);
  const x = (time) => Math.max(0, width - ((now - time) / span) * width);
  pen.textBaseline = "middle";
  rows.forEach((row, number) => {
    const top = number * (ROW + LABEL);
    pen.font = "600 14px system-ui, sans-serif";
    pen.fillStyle = "#000000";
    pen.textAlign = "left";
    pen.fillText(row.source, 0, top + LABEL / 2);
    pen.fillStyle = "#e4e4e4";
    pen.fillRect(0, top + LABEL, width, ROW);
    for (const [start, end, behaviour] of row.bouts) {
      if (end < now - span) continue;
      const index = names.indexOf(behaviour);
      const colour = index < 0 ? "#777777" : colourOf(index);
      const left = x(start);
      const wide = Math.max(x(end) - left, 1);
      pen.fillStyle = colour;
      pen.fillRect(left, top + LABEL, wide, ROW);
      if (wide > 22) {
        pen.fillStyle = inkOn(colour);
        pen.font = "700 15px system-ui, sans-serif";
        pen.textAlign = "center";
        pen.fillText(letters.get(behaviour) ?? "?", left + wide / 2, top + LABEL + ROW / 2);
      }
    }
    pen.strokeStyle = "#000000";
    pen.lineWidth = 1.5;
    pen.strokeRect(0.75, top + LABEL + 0.75, width - 1.5, ROW - 1.5);
  });
  const bottom = rows.length * (ROW + LABEL) + LABEL / 2;
  pen.fillStyle = "#000000";
  pen.font = "13px system-ui, sans-serif";
  const minutes = span / 60;
  const step = minutes > 5 ? 2 : 1;
  const marks = [[0, "now", "right"], [minutes, `${minutes} min ago`, "left"]];
  // The oldest one's words take the place of what is next to it.
  for (let minute = step; minute < 0.7 * minutes; minute += step) marks.push([minute, `${minute}`, "center"]);
  for (const [minute, text, align] of marks) {
    pen.textAlign = align;
    pen.fillText(text, x(now - minute * 60), bottom);
  }
}
