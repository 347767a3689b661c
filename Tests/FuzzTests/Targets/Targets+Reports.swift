import ClusterCheck
import ExpertParallelism
import Fabric
import Foundation
import JSON
import Projection
import Reports
import Telemetry
import TestSupport

extension FuzzTarget {
  static let reports = [report, trainingHistory, routing, placement, rankFacts]

  private static let report = FuzzTarget(
    "report", inputs: 1500, pieces: jsonPieces + ["4611686018427387903", "1152921504606846976"],
    seeds: {
      let ranks = (0..<2).map { rank in
        var counts = RankAccount.Kind()
        (counts.steps, counts.wall) = (1, 100_000_000)
        counts.time = Array(repeating: Array(repeating: 5_000_000, count: Phase.allCases.count), count: 2)
        counts.late = counts.time
        counts.lateByRank = [0, 0]
        counts.rowsToHost = [0, 3]
        counts.sent = [Traffic(), Traffic()]
        (counts.visits, counts.distinctExperts, counts.experts) = ([4], [2], [[[0, 4]]])
        var account = RankAccount()
        (account.rank, account.hostLeader, account.threads) = (rank, rank, 1)
        account.kinds = StepKind.allCases.map { _ in counts }
        return account
      }
      var subject = RunSubject()
      (subject.layerCount, subject.expertCount, subject.expertsPerToken, subject.hiddenSize) = (1, 4, 2, 8)
      let report = RunReport(
        subject: subject,
        account: AccountOfRun(ranks: ranks, balances: StepKind.allCases.map { _ in [Balance.Layer()] }),
        tokens: [0, 4],
        seconds: [0, 0.1])
      return [Array(report.json.text().utf8)]
    },
    read: { bytes in
      let report = try RunReport(json: try JSONValue(parsing: bytes))
      try hold(!report.page.isEmpty, "an empty page")
      _ = try RunReport(json: report.json)
      _ = report.loads
      for kind in StepKind.allCases { _ = try? ComputeModel([report], of: kind, path: "report.json") }
    })

  private static let trainingHistory = FuzzTarget(
    "training-history", inputs: 2000,
    seeds: {
      var history = TrainingHistory(layers: [1], expertCount: 2)
      for step in 1...3 {
        let policy = PolicyStep(
          completions: .init(count: 4, tokens: 9, graded: 4, right: step), values: [.reward: 0.5],
          parts: [("numeric", 1)])
        history.add(
          step: step, Array(repeating: 0.5, count: TrainingMetric.count), loads: [1: [step, 4]], policy: policy)
      }
      history.addScore(step: 2, loss: 1.5)
      history.addAccuracy(step: 2, right: 1, count: 2)
      history.addTranscript(
        Transcript(step: 3, prompt: "1+1=", completion: "2", outcome: "right", reward: 1, advantage: 0.5, tokens: 2))
      history.addCheckpoint(step: 3, seconds: 0.25)
      return [Array(history.json.text().utf8)]
    },
    read: { bytes in
      var history = try TrainingHistory(json: try JSONValue(parsing: bytes), layers: [1], expertCount: 2)
      history.goBack(to: 2)
      history.add(step: 1 << 39, Array(repeating: 1, count: TrainingMetric.count), loads: [1: [1, 1]])
      _ = try TrainingHistory(json: history.json, layers: [1], expertCount: 2)
    })

  private static let routing = FuzzTarget(
    "routing-file", inputs: 3000, pieces: jsonPieces + ["\"experts\":", "\"layers\":\"0,1\"", "\"I32\""],
    seeds: {
      let path = TemporaryFolder.ofProcess.file("seed.safetensors")
      var record = RoutingRecord(layers: [0, 1], expertCount: 4, topK: 2)
      record.append([.init(step: 0, kind: 1, sequence: 0, position: 0, home: 0)], experts: [0, 1, 2, 3])
      try RoutingFile(model: "m", hiddenSize: 8, record: record).write(to: path)
      return [Array(try Data(contentsOf: URL(filePath: path)))]
    },
    read: { _ = try RoutingFile(path: TemporaryFolder.ofProcess.write($0, as: "routing.safetensors")) })

  private static let placement = FuzzTarget(
    "placement", inputs: 5000,
    pieces: jsonPieces + [
      "\"layer\":", "\"owners\":", "\"replicas\":", "\"visits\":", "\"experts\":", "\"ranks\":", "[0,1]", "1e999",
      "65536",
    ],
    seeds: {
      let layer = ExpertPlacement(
        owners: [0, 1, 1, 0].map { Rank($0) }, replicas: [[Rank(1)], [], [Rank(0)], []], rankCount: 2)
      let file = PlacementFile(
        model: "m", placement: ModelPlacement(layer, layers: [1: layer]), layers: [1],
        loads: ExpertLoads(layers: [1], visits: [[3, 0, 2, 1]], steps: 5))
      return [Array(file.json.text().utf8)]
    },
    read: { bytes in
      let file = try PlacementFile(json: try JSONValue(parsing: bytes), path: "p")
      for layer in file.layers {
        let placement = file.placement[layer]
        for expert in 0..<placement.expertCount {
          let holders = placement.ranks(holding: expert)
          try hold(
            Set(holders).count == holders.count && holders.allSatisfy { (0..<placement.rankCount).contains($0.index) },
            "expert \(expert) of layer \(layer) is held by \(holders)")
        }
      }
      try hold(try PlacementFile(json: file.json, path: "p") == file, "what was written is not what was read")
    })

  private static let rankFacts = FuzzTarget(
    "rank-facts", inputs: 3000,
    seeds: {
      let host = #"""
        {"host":"n1","version":"1","build":"b","program":"/p","open_mpi":"v4","libc":"glibc 2.36","kernel":"6","cpu":"x",
        "instruction_set":"avx2","allowed_cores":2,"configured_cores":2,"core_quota":1.5,"total_bytes":9,"available_bytes":8,
        "shared_memory_free_bytes":null,"shared_memory_bytes":7,"open_files":1024,"interfaces":[{"name":"eth0","address":
        "10.0.0.1","prefix_length":24,"megabits":1000}],"options":"","model":{"path":"/m","fingerprint":"a=1","family":"f",
        "expert_layers":2,"bytes":5,"comparison":null,"failure":null}}
        """#
      return [
        Array(
          #"{"rank":0,"host":\#(host),"worker_cores":[0],"shares_cores":false,"ranks_on_host":1,"weight_bytes":5,"cache_bytes":null,"clock_offset_seconds":0,"clock_error_seconds":1e-6,"addresses_in_use":["10.0.0.1"]}"#
            .utf8)
      ]
    },
    read: { _ = try RankFacts(json: try JSONValue(parsing: $0)) })
}
