import Telemetry

extension RunReport {
  /// The report as one page of HTML that needs nothing else.
  package var page: String {
    var body = "<h1>\(SVG.escape(subject.model)) on \(rankCount) rank\(rankCount == 1 ? "" : "s")</h1>"
    let models = processors.isEmpty ? [] : [processors.joined(separator: ", ")]
    let facts = [subject.program, subject.date] + models + [subject.instructionSet]
    let command = SVG.escape(subject.command.joined(separator: " "))
    body += "<p class=weak>\(SVG.escape(facts.joined(separator: " · "))) · <code>\(command)</code></p>"
    body += cards() + legend()
    for kind in kinds { body += section(kind) }
    if let speculation { body += speculation.section }
    let timeline = StepTimeline(report: self).markup()
    if !timeline.isEmpty {
      body +=
        """
        <section><h2>One step, rank by rank</h2><p class=weak>The step of median length among the last ones. Rank \
        0's clock; here waiting and transfer have one colour.</p><div class=plot>\(timeline)</div></section>
        """
    }
    body += linksTable() + ranksTable()
    return ReportPage.html(title: "\(subject.model), \(rankCount) ranks", body: body)
  }

  private func cards() -> String {
    var cards: [(String, String)] = []
    for kind in kinds {
      let figures = figures(kind)
      cards.append(
        ("\(Decimals.text(figures.tokensPerSecond)) tokens/s", "\(kind.name), \(Figures.count(figures.steps, "step"))")
      )
      guard rankCount > 1 else { continue }
      let busiest = busiest(kind)
      if busiest.meanVisits > 0 {
        cards.append(
          (
            "\(Decimals.text(busiest.visits, 2)) × visits, \(Decimals.text(busiest.experts, 2)) × experts",
            "busiest rank over the mean, \(kind.name)"
          ))
      }
      cards.append((Decimals.percent(figures.exposedShare), "communication, \(kind.name)"))
      cards.append((Decimals.percent(figures.waitingShare), "waiting, \(kind.name)"))
    }
    return "<div class=cards>" + cards.map { "<div class=card><b>\($0.0)</b>\($0.1)</div>" }.joined() + "</div>"
  }

  private func legend() -> String {
    "<div class=legend>"
      + PhaseGroup.all.map { "<span><i style=\"background:\($0.color)\"></i>\($0.title)</span>" }.joined() + "</div>"
  }

  private func section(_ kind: StepKind) -> String {
    let figures = figures(kind)
    var html =
      """
      <section><h2>\(kind == .prefill ? "Prefill" : "Decode")</h2><p \
      class=weak>\(Figures.count(figures.steps, "step")), \(Figures.count(figures.tokens, "token")), \
      \(Decimals.time(figures.wall / Double(max(figures.steps, 1)))) a step; the phases add up to \
      \(Decimals.percent(figures.coverage, 2)) of it.</p>
      """
    html += "<h3>Time of a step by layer</h3><div class=plot>\(LayerPlot(report: self, kind: kind).markup())</div>"
    html += phaseTable(figures)
    if rankCount > 1 {
      if let overlap = figures.overlap {
        html +=
          """
          <p>Communication that nothing else hid takes \(Decimals.percent(figures.exposedShare)) of a step; \
          \(Decimals.percent(overlap, 0)) of all communication was hidden behind other work.</p>
          """
      }
      html +=
        """
        <h3>Who waited for whom</h3><p class=weak>Time before the other rank had sent what was waited for: \
        imbalance, not the network.</p><div class=plot>\(waitMatrix(figures))</div>
        """
      html +=
        """
        <h3>Bytes by link</h3><p class=weak>Of a mean step, in the table and in the matrix; all \
        \(Figures.count(figures.steps, "step")) together sent \
        \(Decimals.bytes(figures.sameHost.bytes + figures.otherHosts.bytes)).</p>\(bytes(figures))<div \
        class=plot>\(linkMatrix(figures))</div>
        """
    }
    if subject.expertCount > 0 {
      html +=
        """
        <h3>Visits by expert</h3><p class=weak>Each layer against its own mean: 2 is twice as many visits as an \
        even share.</p><div class=plot>\(expertMap(kind))</div>
        """
      html += hottest(kind)
    }
    return html + "</section>"
  }

  private func phaseTable(_ figures: KindFigures) -> String {
    let rows = Phase.allCases.filter { figures.time[$0.rawValue] > 0 }.map { phase in
      let (time, late) = (figures.time[phase.rawValue], figures.late[phase.rawValue])
      let steps = Double(max(figures.steps, 1))
      return
        """
        <tr><td>\(phase.name)</td><td class=n>\(Decimals.time(time / steps))</td><td \
        class=n>\(Decimals.percent(figures.share(phase)))</td><td \
        class=n>\(late > 0 ? Decimals.time(late / steps) : "")</td></tr>
        """
    }
    return "<table><tr><th>phase</th><th>a step</th><th>share</th><th>of it waiting</th></tr>\(rows.joined())</table>"
  }

  private var rankNames: [String] { account.ranks.map { "rank \($0.rank)" } }

  private func waitMatrix(_ figures: KindFigures) -> String {
    let steps = Double(max(figures.steps, 1))
    return HeatMap(
      values: figures.waits.enumerated().map { row, waits in
        waits.enumerated().map { $0 == row ? nil : Double($1) / steps }
      },
      rowTitle: "waiting", columnTitle: "late", rows: rankNames, columns: rankNames,
      describe: { "rank \($0) waited \(Decimals.time($2)) a step for rank \($1)" }, label: { Decimals.time($0) }
    ).markup()
  }

  private func linkMatrix(_ figures: KindFigures) -> String {
    let steps = Double(max(figures.steps, 1))
    return HeatMap(
      values: figures.traffic.enumerated().map { row, sent in
        sent.enumerated().map { $0 == row ? nil : Double($1.bytes) / steps }
      },
      rowTitle: "from", columnTitle: "to", rows: rankNames, columns: rankNames,
      describe: { "rank \($0) to rank \($1): \(Decimals.bytes(Int($2))) a step" }, label: { Decimals.bytes(Int($0)) }
    ).markup()
  }

  private func bytes(_ figures: KindFigures) -> String {
    let steps = Double(max(figures.steps, 1))
    func each(_ bytes: Int) -> String { Decimals.bytes(Int((Double(bytes) / steps).rounded())) }
    func row(_ name: String, _ sent: Traffic, _ least: Int?) -> String {
      """
      <tr><td>\(name)</td><td class=n>\(each(sent.payload))</td><td class=n>\(each(sent.metadata))</td><td \
      class=n>\(Decimals.text(Double(sent.messages) / steps))</td><td class=n>\(least.map(each) ?? "")</td></tr>
      """
    }
    var all = figures.sameHost
    all += figures.otherHosts
    return "<table><tr><th>a step</th><th>payload</th><th>metadata</th><th>messages</th><th>least possible</th></tr>"
      + row("within hosts", figures.sameHost, nil)
      + row("between hosts", figures.otherHosts, figures.minimumBetweenHosts)
      + row("together", all, figures.minimumBetweenRanks) + "</table>"
  }

  /// Visits `[layer][expert]` of all ranks together.
  private func visits(_ kind: StepKind) -> [[Int]] {
    var visits = Array(repeating: Array(repeating: 0, count: subject.expertCount), count: subject.layerCount)
    for rank in account.ranks {
      for (layer, pairs) in rank.kinds[kind.rawValue].experts.enumerated() where layer < visits.count {
        for pair in pairs where pair[0] < subject.expertCount { visits[layer][pair[0]] += pair[1] }
      }
    }
    return visits
  }

  private func expertMap(_ kind: StepKind) -> String {
    let visits = visits(kind).enumerated().filter { $0.element.contains { $0 > 0 } }
    return HeatMap(
      values: visits.map { _, counts in
        let mean = Double(counts.reduce(0, +)) / Double(counts.count)
        return counts.map { Double($0) / mean }
      },
      rowTitle: "layer", columnTitle: "expert", rows: visits.map { "\($0.offset)" },
      columns: (0..<subject.expertCount).map { "\($0)" },
      describe: {
        "layer \(visits[$0].offset), expert \($1): \(Decimals.text($2, 2)) × the mean, \(visits[$0].element[$1]) visits"
      },
      limit: 4
    ).markup()
  }

  private func hottest(_ kind: StepKind) -> String {
    var all: [(layer: Int, expert: Int, ratio: Double, visits: Int)] = []
    for (layer, counts) in visits(kind).enumerated() {
      let mean = Double(counts.reduce(0, +)) / Double(max(counts.count, 1))
      for (expert, count) in counts.enumerated() where count > 0 {
        all.append((layer, expert, Double(count) / mean, count))
      }
    }
    let rows = all.sorted { $0.ratio > $1.ratio }.prefix(8).map {
      """
      <tr><td class=n>\($0.layer)</td><td class=n>\($0.expert)</td><td class=n>\($0.visits)</td><td \
      class=n>\(Decimals.text($0.ratio, 2))</td></tr>
      """
    }
    return
      """
      <h3>Hottest experts</h3><table><tr><th>layer</th><th>expert</th><th>visits</th><th>× the \
      mean</th></tr>\(rows.joined())</table>
      """
  }

  private func ranksTable() -> String {
    let rows = account.ranks.map {
      """
      <tr><td class=n>\($0.rank)</td><td>\(SVG.escape($0.host))</td><td class=n>\($0.threads)</td><td \
      class=n>\(Decimals.time($0.clockOffset))</td><td class=n>\(Decimals.time($0.clockError))</td><td \
      class=n>\(Decimals.text($0.clockDrift, 2))</td></tr>
      """
    }
    return
      """
      <section><h2>Ranks</h2><p class=weak>Clocks of other hosts are compared with rank 0's by ping-pong; ranks of \
      one host share a clock.</p><table><tr><th>rank</th><th>host</th><th>threads</th><th>clock ahead by</th><th>± \
      at most</th><th>drift, ppm</th></tr>\(rows.joined())</table></section>
      """
  }

  /// The model fitted to each kind of link, with what it was fitted to.
  private func linksTable() -> String {
    guard !links.isEmpty else { return "" }
    var html =
      """
      <section><h2>Links</h2><p class=weak>Messages timed after the run, between ranks that did nothing else, and \
      the line α + β · bytes fitted to them.</p>
      """
    for (link, model) in linkModels {
      html +=
        """
        <h3>\(link.words)</h3><p \
        class=weak>\(SVG.escape(model.summary))</p><table><tr><th>bytes</th><th>ping-pong, one \
        way</th><th>fitted</th></tr>
        """
      for sample in links where sample.link == link && sample.isPingPong {
        html +=
          """
          <tr><td class=n>\(Decimals.bytes(sample.messageBytes))</td><td \
          class=n>\(Decimals.time(sample.seconds * 1e9))</td><td \
          class=n>\(Decimals.time(model.seconds(sample.messageBytes) * 1e9))</td></tr>
          """
      }
      html += "</table>"
    }
    return html + "</section>"
  }
}
