import JSON

/// How far one rank of a supervised job has come in its start: a line on standard error, for the supervisor.
package struct StartReport: Sendable, Equatable {
  /// In the order in which a rank comes to them.
  package enum Stage: String, Sendable, Comparable, CaseIterable {
    /// Its process runs, and knows its number.
    case started
    /// It is connected with all others.
    case joined
    /// It reads its part of the model.
    case loading
    case loaded

    package static func < (a: Stage, b: Stage) -> Bool {
      (allCases.firstIndex(of: a) ?? 0) < (allCases.firstIndex(of: b) ?? 0)
    }
  }

  package var rank: Int
  package var host: String
  /// Ranks of the job, as far as the launcher tells.
  package var rankCount: Int
  package var stage: Stage
  /// Read so far and to be read by this rank; 0 before it loads.
  package var bytes: Int
  package var allBytes: Int

  /// `bytes` of `allBytes` are read.
  package init(rank: Int, host: String, rankCount: Int, stage: Stage, bytes: Int = 0, allBytes: Int = 0) {
    (self.rank, self.host, self.rankCount, self.stage) = (rank, host, rankCount, stage)
    (self.bytes, self.allBytes) = (bytes, allBytes)
  }

  private static let mark = "martinet: start "

  package var line: String {
    let json: JSONValue = [
      "rank": .int(rank), "host": .string(host), "ranks": .int(rankCount), "stage": .string(stage.rawValue),
      "bytes": .int(bytes), "of": .int(allBytes),
    ]
    return Self.mark + json.text()
  }

  /// Reads a line of this form; nil for any other line, whatever it holds.
  package init?(line: String) {
    guard line.hasPrefix(Self.mark) else { return nil }
    let limits = JSONLimits(byteCount: 1 << 12, depth: 2)
    guard let json = try? JSONValue(parsing: line.utf8.dropFirst(Self.mark.utf8.count), limits: limits),
      let rank = json["rank"]?.exactInt, let host = json["host"]?.string, let count = json["ranks"]?.exactInt,
      let stage = json["stage"]?.string.flatMap({ Stage(rawValue: $0) }),
      let bytes = json["bytes"]?.exactInt, let all = json["of"]?.exactInt,
      (1...1 << 20).contains(count), (0..<count).contains(rank), bytes >= 0, all >= 0
    else { return nil }
    self.init(rank: rank, host: host, rankCount: count, stage: stage, bytes: bytes, allBytes: all)
  }
}
