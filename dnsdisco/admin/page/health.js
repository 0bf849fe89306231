// What the health of a service is, in words, and what has become of it.

export const SIGNS = { passing: "good", warning: "fair", critical: "bad" };
const CHANGES_MAX = 8; // of one service at once; one line says how many more there are

/** {kind, words, isWell} of a service. */
export function healthOf(service) {
  const all = service.instances.length;
  const count = (health) => service.instances.reduce((sum, each) => sum + (each.health === health), 0);
  const critical = count("critical");
  const warning = count("warning");
  if (!all) {
    const alias = service.service?.alias_of;
    return { kind: alias ? "none" : "fair", words: alias ? "an alias" : "no instances", isWell: Boolean(alias) };
  }
  const words = [
    critical ? `${critical} of ${all} critical` : "",
    warning ? `${warning} of ${all} warning` : "",
    critical || warning ? "" : all === 1 ? "passing" : `all ${all} passing`,
    service.left_out ? `${service.left_out.instances || "some"} left out` : "",
    service.provenance.stale ? "stale" : "",
  ].filter(Boolean);
  const isWell = !critical && !warning && !service.left_out && !service.provenance.stale;
  return { kind: critical === all ? "bad" : isWell ? "good" : "fair", words: words.join(", "), isWell };
}

/** Lines on what has become of a service, [subject, words, kind]. Null stands for one that is not there. */
export function differences(name, before, after) {
  if (!before) return [[name, after.instances.length === 1 ? "has come, with 1 instance" : `has come, with ${after.instances.length} instances`, "none"]];
  if (!after) return [[name, "has gone", "none"]];
  const lines = [];
  const old = new Map(before.instances.map((each) => [each.label, each]));
  for (const each of after.instances) {
    const was = old.get(each.label);
    old.delete(each.label);
    if (!was) lines.push([`${each.label}.${name}`, `has come (${each.health})`, "none"]);
    else if (was.health !== each.health) lines.push([`${each.label}.${name}`, `is ${each.health}${each.reason ? `: ${each.reason}` : ""}`, SIGNS[each.health]]);
  }
  for (const label of old.keys()) lines.push([`${label}.${name}`, "has gone", "none"]);
  if (!lines.length && JSON.stringify(before) !== JSON.stringify(after)) lines.push([name, "has changed", "none"]);
  return lines.length > CHANGES_MAX ? [...lines.slice(0, CHANGES_MAX), [name, `and ${lines.length - CHANGES_MAX} more changes of its instances`, "none"]] : lines;
}
