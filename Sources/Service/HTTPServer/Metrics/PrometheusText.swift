/// Metrics in Prometheus' text format 0.0.4, with names as OpenMetrics wants them.
struct PrometheusText {
  private(set) var text = ""
  /// Before the names of what is this program's own.
  private let prefix = "martinet_"

  mutating func header(_ name: String, _ type: String, _ help: String) {
    text += "# HELP \(prefix)\(name) \(help)\n# TYPE \(prefix)\(name) \(type)\n"
  }

  mutating func sample(_ name: String, _ labels: [(String, String)] = [], _ value: Double) {
    text += "\(prefix)\(name)\(Self.braced(labels)) \(Self.number(value))\n"
  }

  /// A metric of one sample whose name is the same for all programs; nothing where the value is not known.
  mutating func common(_ name: String, _ type: String, _ help: String, _ value: Double?) {
    guard let value else { return }
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n\(name) \(Self.number(value))\n"
  }

  /// Counts by one label; those at zero that are named in `always` are shown, too, so that their rise is seen.
  mutating func counts(
    _ name: String, _ help: String, by label: String, _ counts: [String: Int], always: [String] = []
  ) {
    header(name, "counter", help)
    for value in Set(counts.keys).union(always).sorted() { sample(name, [(label, value)], Double(counts[value] ?? 0)) }
  }

  /// A metric of one sample.
  mutating func single(_ name: String, _ type: String, _ help: String, _ value: Int) {
    header(name, type, help)
    sample(name, [], Double(value))
  }

  mutating func histogram(_ name: String, _ help: String, _ histogram: Histogram) {
    header(name, "histogram", help)
    var total = 0
    for (bound, count) in zip(histogram.bounds, histogram.counts) {
      total += count
      sample(name + "_bucket", [("le", Self.number(bound))], Double(total))
    }
    total += histogram.counts[histogram.bounds.count]
    sample(name + "_bucket", [("le", "+Inf")], Double(total))
    sample(name + "_sum", [], histogram.sum)
    sample(name + "_count", [], Double(total))
  }

  private static func braced(_ labels: [(String, String)]) -> String {
    if labels.isEmpty { return "" }
    return "{" + labels.map { "\($0)=\"\(escaped($1))\"" }.joined(separator: ",") + "}"
  }

  private static func escaped(_ value: String) -> String {
    var text = ""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\\": text += "\\\\"
      case "\"": text += "\\\""
      case "\n": text += "\\n"
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text
  }

  private static func number(_ value: Double) -> String {
    if value == value.rounded(), abs(value) < 1e15 { return String(Int(value)) }
    guard value.isFinite else { return value.isNaN ? "NaN" : value > 0 ? "+Inf" : "-Inf" }
    return "\(value)"
  }
}
