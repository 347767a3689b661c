import Telemetry

extension SpeculationStatistics {
  /// What it came to, in one line for a terminal.
  package var summary: String {
    var parts = [drafts]
    if let runLength { parts.append("\(Decimals.text(runLength, 2)) tokens a sequence and step") }
    if let gain { parts.append("\(Decimals.text(gain, 2)) × the speed without drafts at the same load") }
    parts.append("\(without.count) of \(Figures.count(with.count + without.count, "decode step")) went without")
    return parts.joined(separator: "; ")
  }

  private var drafts: String {
    guard let acceptance else { return "no drafts" }
    let places = acceptanceByPlace.map { Decimals.text(100 * $0) }.joined(separator: ", ")
    return
      "\(acceptedCount) of \(Figures.count(draftedCount, "draft")) right, \(Decimals.percent(acceptance))"
      + (drafted.count > 1 ? " (by place \(places) %)" : "")
  }

  /// The part of a report's page about drafts.
  var values: [String: PageTemplate.Value] {
    [
      "summary": .text(summary),
      "places": .rows(drafted.indices) { place in
        [
          "place": "\(place + 1)", "drafts": "\(drafted[place])", "right": "\(accepted[place])",
          "share": .text(Decimals.percent(acceptanceByPlace[place])),
        ]
      },
    ]
  }
}
