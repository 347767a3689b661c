import JSON
import Telemetry

extension RunReport {
  /// Reads what `json` wrote; balances, which follow from steps that nobody kept, are left empty.
  package init(json: JSONValue) throws(MalformedAccount) {
    guard json["schema"]?.string == "martinet-report" else {
      throw MalformedAccount(reason: "its \"schema\" is not \"martinet-report\"")
    }
    guard json["version"]?.exactInt == Self.schemaVersion else {
      throw MalformedAccount(reason: "its version is not \(Self.schemaVersion)")
    }
    guard let model = json["model"], let ranks = json["ranks"]?.array, !ranks.isEmpty, ranks.count <= 1 << 16 else {
      throw MalformedAccount(reason: "it has no \"model\" or no \"ranks\"")
    }
    var subject = RunSubject()
    subject.program = json["program"]?.string ?? ""
    subject.date = json["date"]?.string ?? ""
    subject.model = model["name"]?.string ?? ""
    subject.family = model["family"]?.string ?? ""
    subject.hiddenSize = try model.count("hidden_size", below: 1 << 20)
    subject.layerCount = try model.count("layers", below: 1 << 14)
    subject.expertCount = try model.count("experts", below: 1 << 16)
    subject.expertsPerToken = try model.count("experts_per_token", below: 1 << 16)
    subject.instructionSet = json["instruction_set"]?.string ?? ""
    subject.rowBytes = try json.count("row_bytes", below: 1 << 30)
    // Before there was a choice, both were fp32.
    subject.sumBytes = json["sum_bytes"] == nil ? subject.rowBytes : try json.count("sum_bytes", below: 1 << 30)
    if let work = model["parameters"] { subject.work = try ModelWork(json: work) }
    var accounts: [RankAccount] = []
    for rank in ranks {
      accounts.append(try RankAccount(json: rank, layerCount: subject.layerCount, rankCount: ranks.count))
    }
    guard accounts.map(\.rank) == Array(accounts.indices) else {
      throw MalformedAccount(reason: "its ranks are not in order")
    }
    try Self.checkSums(of: accounts, subject)
    let layers = Array(repeating: Balance.Layer(), count: subject.layerCount)
    var (tokens, seconds): ([Int], [Double]) = ([], [])
    for kind in StepKind.allCases {
      tokens.append(try json[kind.name].map { value throws(MalformedAccount) in try value.count("tokens") } ?? 0)
      seconds.append(json[kind.name]?["seconds"]?.double ?? 0)
    }
    self.init(
      subject: subject, account: AccountOfRun(ranks: accounts, balances: StepKind.allCases.map { _ in layers }),
      tokens: tokens,
      seconds: seconds)
    for kind in StepKind.allCases {
      rates[kind.rawValue] =
        json[kind.name]?["tokens_per_second_runs"]?.array?.compactMap(\.double).filter { $0.isFinite && $0 >= 0 } ?? []
    }
    if let drafts = json["speculation"] { speculation = try SpeculationStatistics(json: drafts) }
    for sample in json["link_samples"]?.array ?? [] { links.append(try LinkSample(json: sample)) }
  }

  /// What pages and projections add up and multiply fits into a number: checked here, once, for all of them.
  private static func checkSums(of accounts: [RankAccount], _ subject: RunSubject) throws(MalformedAccount) {
    var (counts, rows) = (0, 0)
    func add(_ values: some Sequence<Int>, to sum: inout Int) throws(MalformedAccount) {
      for value in values {
        let (next, overflows) = sum.addingReportingOverflow(value)
        guard !overflows else { throw MalformedAccount(reason: "its numbers add up to more than any run has") }
        sum = next
      }
    }
    for account in accounts {
      for kind in account.kinds {
        var times = 0
        try add(kind.time.joined(), to: &times)
        times = 0
        try add(kind.late.joined(), to: &times)
        try add(kind.lateByRank, to: &counts)
        try add([kind.steps], to: &counts)
        try add(kind.visits, to: &counts)
        try add(kind.distinctExperts, to: &counts)
        for pairs in [kind.experts, kind.rejected] { try add(pairs.joined().map { $0[1] }, to: &counts) }
        for sent in kind.sent {
          try add(sent.numbers, to: &counts)
          try add([sent.dispatchRows, sent.combineTokens], to: &rows)
        }
        try add(kind.rowsToHost, to: &rows)
      }
      let reduction = account.reduction
      try add(
        [reduction.sumBytes, reduction.sumMessages, reduction.gatherBytes, reduction.gatherMessages], to: &counts)
    }
    let (bytes, overflows) = rows.multipliedReportingOverflow(by: subject.rowBytes + subject.sumBytes)
    guard !overflows else { throw MalformedAccount(reason: "its rows have more bytes than any run has") }
    try add([bytes], to: &counts)
  }
}
