import JSON
import Testing

@testable import Telemetry

struct RankAccountTests {
  private func account() -> RankAccount {
    let telemetry = RankTelemetry(layerCount: 2, expertCount: 4, rankCount: 2)
    telemetry.recorder.keepSpans(100)
    telemetry.beginStep(.decode)
    telemetry.recorder.beginStep()
    telemetry.recorder.enter(.experts, layer: 1)
    ([0, 3, 3] as [Int32]).withUnsafeBufferPointer { telemetry.visited(layer: 1, experts: $0, distinct: 2) }
    telemetry.dispatched(to: 1, rows: 2, rowBytes: 100, messageBytes: 264)
    telemetry.returned(to: 1, tokens: 2, rows: 3, rowBytes: 100, messageBytes: 364)
    telemetry.reached { $0 == 1 ? 2 : 0 }
    telemetry.reduction.countSums(bytes: 4096)
    telemetry.reduction.countGather(bytes: 512)
    telemetry.endTraffic()
    telemetry.recorder.endStep(.decode)
    var account = RankAccount(telemetry)
    (account.rank, account.host, account.threads, account.clockOffset) = (1, "node02", 4, -1.5)
    return account
  }

  @Test func whatIsWrittenIsRead() throws {
    let account = account()
    let kind = account.kinds[StepKind.decode.rawValue]
    #expect(kind.experts == [[], [[0, 1], [3, 2]]])
    #expect(kind.sent[1].payload == 500 && kind.sent[1].metadata == 128 && kind.sent[1].bytes == 628)
    #expect(kind.rowsToHost == [0, 2])
    let text = account.json.text()
    #expect(try RankAccount(json: try JSONValue(parsing: text), layerCount: 2, rankCount: 2) == account)
  }

  @Test func slicesAreToldWhereThereAreSome() throws {
    var account = account()
    #expect(!account.json.text().contains("gather_payload_bytes"))
    account.kinds[StepKind.prefill.rawValue].sent[0].countGather(payloadBytes: 1000, messageBytes: 1064)
    let text = account.json.text()
    #expect(text.contains("\"gather_payload_bytes\":1000"))
    let found = try RankAccount(json: try JSONValue(parsing: text), layerCount: 2, rankCount: 2)
    #expect(found == account)
    let sent = found.kinds[StepKind.prefill.rawValue].sent[0]
    #expect(sent.payload == 1000 && sent.metadata == 64 && sent.messages == 1)
    let damaged = text.replacing("\"gather_payload_bytes\":1000", with: "\"gather_payload_bytes\":-1")
    #expect(throws: MalformedAccount.self) {
      try RankAccount(json: try JSONValue(parsing: damaged), layerCount: 2, rankCount: 2)
    }
  }

  /// Any number or text replaced by something else gives an account or an error, never a trap.
  @Test func aDamagedAccountIsRefusedOrHarmless() throws {
    let text = Array(account().json.text().utf8)
    var refused = 0
    for (i, byte) in text.enumerated() where (48...57).contains(byte) || byte == 91 || byte == 123 {
      for replacement in ["-1", "1e9", "99999999999999999999", "null", "\"x\"", "[]", "7.5"] {
        let damaged = text[..<i] + Array(replacement.utf8) + text[(i + 1)...]
        guard let json = try? JSONValue(parsing: damaged) else { continue }
        do { _ = try RankAccount(json: json, layerCount: 2, rankCount: 2) } catch { refused += 1 }
      }
    }
    #expect(refused > 100)
    for (layers, ranks) in [(1, 2), (3, 2), (2, 1), (2, 3)] {
      #expect(throws: MalformedAccount.self) {
        try RankAccount(json: account().json, layerCount: layers, rankCount: ranks)
      }
    }
  }

  @Test func balanceIsTheGreatestOverTheMeanOfEachStep() {
    var balance = Balance(layerCount: 2)
    // Even over two steps together, but not in either.
    for visits in [[6, 2], [2, 6]] as [[Int32]] {
      for v in visits { balance.add(visits: [v, 0], experts: [v / 2, 0]) }
      let step = balance.endStep()
      #expect(step.visits == 1.5 && step.experts == 1.5)
    }
    let all = BusiestRank(balance.layers)
    #expect(all.visits == 1.5 && all.experts == 1.5 && all.maxVisits == 12 && all.meanVisits == 8)
    #expect(BusiestRank().visits == 1 && BusiestRank([]).experts == 1)
    var difference = all
    difference += all
    difference -= all
    #expect(difference == all)
    #expect(balance.layers[0].visitImbalance == 1.5)
    #expect(balance.layers[0].expertImbalance == 1.5)
    #expect(balance.layers[1] == Balance.Layer())
    #expect(balance.layers[1].visitImbalance == 1)
  }
}
