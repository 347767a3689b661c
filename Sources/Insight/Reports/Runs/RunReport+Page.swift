import Telemetry

extension RunReport {
  /// The report as one page of HTML that needs nothing else.
  package var page: String {
    let models = processors.isEmpty ? [] : [processors.joined(separator: ", ")]
    let facts = [subject.program, subject.date] + models + [subject.instructionSet]
    let timeline = StepTimeline(report: self).markup()
    return ReportPage.html(
      ReportPage.run,
      [
        "title": "\(subject.model), \(rankCount) ranks",
        "heading": "\(subject.model) on \(Figures.count(rankCount, "rank"))",
        "facts": .text(facts.joined(separator: " · ")), "command": .text(subject.command.joined(separator: " ")),
        "cards": .rows(cards) { ["figure": .text($0.figure), "of": .text($0.of)] },
        "groups": .rows(PhaseGroup.all) { ["color": .text($0.color), "group": .text($0.title)] },
        "kinds": .rows(kinds, values), "speculation": .when(speculation?.values),
        "timeline": .when(timeline.isEmpty ? nil : ["picture": .markup(timeline)]),
        "link-section": .when(!links.isEmpty), "link-models": .rows(linkModels) { values($0.link, $0.model) },
        "ranks": .rows(account.ranks) {
          [
            "rank": "\($0.rank)", "host": .text($0.host), "threads": "\($0.threads)",
            "offset": .text(Decimals.time($0.clockOffset)), "error": .text(Decimals.time($0.clockError)),
            "drift": .text(Decimals.text($0.clockDrift, 2)),
          ]
        },
      ])
  }

  private var cards: [(figure: String, of: String)] {
    var cards: [(figure: String, of: String)] = []
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
    return cards
  }

  /// A section of prefill or of decode.
  private func values(_ kind: StepKind) -> [String: PageTemplate.Value] {
    let figures = figures(kind)
    let hasExperts = subject.expertCount > 0
    return [
      "kind": .text(kind == .prefill ? "Prefill" : "Decode"), "steps": .text(Figures.count(figures.steps, "step")),
      "tokens": .text(Figures.count(figures.tokens, "token")),
      "step-time": .text(Decimals.time(figures.wall / Double(max(figures.steps, 1)))),
      "coverage": .text(Decimals.percent(figures.coverage, 2)),
      "layers": .markup(LayerPlot(report: self, kind: kind).markup()), "phases": phases(figures),
      "between-ranks": .when(rankCount > 1 ? exchange(figures) : nil), "experts": .when(hasExperts),
      "visits-map": .markup(hasExperts ? expertMap(kind) : ""), "hottest": hottest(kind),
    ]
  }

  private func phases(_ figures: KindFigures) -> PageTemplate.Value {
    let steps = Double(max(figures.steps, 1))
    return .rows(Phase.allCases.filter { figures.time[$0.rawValue] > 0 }) { phase in
      let late = figures.late[phase.rawValue]
      return [
        "phase": .text(phase.name), "time": .text(Decimals.time(figures.time[phase.rawValue] / steps)),
        "share": .text(Decimals.percent(figures.share(phase))),
        "waiting": .text(late > 0 ? Decimals.time(late / steps) : ""),
      ]
    }
  }

  // MARK: Between ranks

  private func exchange(_ figures: KindFigures) -> [String: PageTemplate.Value] {
    [
      "overlap": .when(
        figures.overlap.map {
          [
            "exposed": .text(Decimals.percent(figures.exposedShare)), "hidden": .text(Decimals.percent($0, 0)),
          ]
        }),
      "waits": .markup(waitMatrix(figures)), "links": .markup(linkMatrix(figures)), "traffic": traffic(figures),
      "sent": .text(Decimals.bytes(figures.sameHost.bytes + figures.otherHosts.bytes)),
    ]
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

  private func traffic(_ figures: KindFigures) -> PageTemplate.Value {
    let steps = Double(max(figures.steps, 1))
    func each(_ bytes: Int) -> String { Decimals.bytes(Int((Double(bytes) / steps).rounded())) }
    var all = figures.sameHost
    all += figures.otherHosts
    let rows: [(String, Traffic, Int?)] = [
      ("within hosts", figures.sameHost, nil), ("between hosts", figures.otherHosts, figures.minimumBetweenHosts),
      ("together", all, figures.minimumBetweenRanks),
    ]
    return .rows(rows) { name, sent, least in
      [
        "between": .text(name), "payload": .text(each(sent.payload)), "metadata": .text(each(sent.metadata)),
        "messages": .text(Decimals.text(Double(sent.messages) / steps)), "least": .text(least.map(each) ?? ""),
      ]
    }
  }

  /// The model fitted to a kind of link, with what it was fitted to.
  private func values(_ link: LinkClass, _ model: LinkModel) -> [String: PageTemplate.Value] {
    [
      "link": .text(link.words), "summary": .text(model.summary),
      "samples": .rows(links.filter { $0.link == link && $0.isPingPong }) {
        [
          "bytes": .text(Decimals.bytes($0.messageBytes)), "measured": .text(Decimals.time($0.seconds * 1e9)),
          "fitted": .text(Decimals.time(model.seconds($0.messageBytes) * 1e9)),
        ]
      },
    ]
  }

  // MARK: Experts

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

  private func hottest(_ kind: StepKind) -> PageTemplate.Value {
    var all: [(layer: Int, expert: Int, ratio: Double, visits: Int)] = []
    for (layer, counts) in visits(kind).enumerated() {
      let mean = Double(counts.reduce(0, +)) / Double(max(counts.count, 1))
      for (expert, count) in counts.enumerated() where count > 0 {
        all.append((layer, expert, Double(count) / mean, count))
      }
    }
    return .rows(all.sorted { $0.ratio > $1.ratio }.prefix(8)) {
      [
        "layer": "\($0.layer)", "expert": "\($0.expert)", "visits": "\($0.visits)",
        "ratio": .text(Decimals.text($0.ratio, 2)),
      ]
    }
  }
}
