import Checkpoints
import JSON
import Reports
import Telemetry

/// The links of a cluster.
package struct Network: Sendable {
  package var name: String
  /// Messages between hosts.
  package var otherHosts: LinkModel
  /// Messages within a host: what announcing one takes, as its bytes are written and read in phases of their own.
  package var sameHost: LinkModel

  package init(name: String, otherHosts: LinkModel, sameHost: LinkModel) {
    (self.name, self.otherHosts, self.sameHost) = (name, otherHosts, sameHost)
  }

  /// Latency in microseconds of a small message between two programs, and gigabits a second that one gets: round
  /// numbers for hardware in good order, TCP for Ethernet and UCX for the last two. Measure your own with
  /// --report-json.
  private static let presets: [(name: String, microseconds: Double, gigabits: Double)] = [
    ("1gbe", 40, 0.94), ("10gbe", 25, 9.4), ("25gbe", 20, 23), ("100g-rdma", 3, 94), ("hdr", 1.5, 190),
  ]
  package static var presetNames: [String] { presets.map(\.name) }

  /// Where no links within a host were measured: half a microsecond.
  private static let signal = LinkModel(alpha: 0.5e-6, beta: 0)

  /// Only the signal: rows are copied in `pack` and read in `experts` and `merge`.
  private static func signal(_ model: LinkModel?) -> LinkModel {
    model.map { LinkModel(alpha: $0.pieces[0].alpha, beta: 0) } ?? signal
  }

  /// As measured in the runs of some reports.
  package init?(measuredIn reports: [RunReport]) {
    let samples = reports.flatMap(\.links)
    let within = LinkModel(samples.filter { $0.link == .sharedMemory })
    guard let between = LinkModel(samples.filter { $0.link == .otherHosts }) else {
      guard within != nil else { return nil }
      // Nobody has seen another host: fine for projections onto one.
      self.init(name: "measured, one host", otherHosts: Self.signal, sameHost: Self.signal(within))
      return
    }
    self.init(name: "measured", otherHosts: between, sameHost: Self.signal(within))
  }

  /// A preset, or a JSON file `{"name", "latency_us", "gigabit_per_second", "further_message_us"?}`.
  package init(_ text: String, sameHostIn reports: [RunReport]) throws {
    let within = Self.signal(LinkModel(reports.flatMap(\.links).filter { $0.link == .sharedMemory }))
    if let preset = Self.presets.first(where: { $0.name == text }) {
      self.init(name: text, otherHosts: Self.line(preset.microseconds, preset.gigabits, nil), sameHost: within)
      return
    }
    guard text.contains(".") || text.contains("/") else {
      throw ProjectionError.unknownNetwork(text, known: Self.presetNames)
    }
    let json: JSONValue
    do { json = try JSONValue(parsing: try InputFile(path: text).contents(limit: 1 << 20)) } catch let error
      as JSONError
    {
      throw ProjectionError.malformedNetwork(path: text, reason: "\(error)")
    }
    func number(_ key: String, _ range: ClosedRange<Double>) throws -> Double {
      guard let value = json[key]?.double, range.contains(value) else {
        throw ProjectionError.malformedNetwork(
          path: text, reason: "\"\(key)\" is not between \(range.lowerBound) and \(range.upperBound)")
      }
      return value
    }
    let (latency, rate) = (try number("latency_us", 0.01...1e6), try number("gigabit_per_second", 0.001...1e5))
    let further = json["further_message_us"] == nil ? nil : try number("further_message_us", 0...1e6)
    self.init(name: json["name"]?.string ?? text, otherHosts: Self.line(latency, rate, further), sameHost: within)
  }

  private static func line(_ microseconds: Double, _ gigabits: Double, _ further: Double?) -> LinkModel {
    LinkModel(alpha: microseconds * 1e-6, beta: 8 / (gigabits * 1e9), perMessage: further.map { $0 * 1e-6 })
  }
}
