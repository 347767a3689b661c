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
  var section: String {
    let rows = drafted.indices.map { place in
      """
      <tr><td class=n>\(place + 1)</td><td class=n>\(drafted[place])</td><td class=n>\(accepted[place])</td><td \
      class=n>\(Decimals.percent(acceptanceByPlace[place]))</td></tr>
      """
    }
    return
      """
      <section><h2>Speculation</h2><p class=weak>\(SVG.escape(summary)).</p><table><tr><th>place after the last \
      token</th><th>drafts</th><th>right</th><th>share</th></tr>\(rows.joined())</table></section>
      """
  }
}
