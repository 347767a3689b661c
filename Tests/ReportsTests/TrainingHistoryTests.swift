import JSON
import Telemetry
import Testing

@testable import Reports

/// What a page remembers of a training, however long it is.
struct TrainingHistoryTests {
  /// Every metric of a step is its number, and expert 1 of layer 2 gets none of its tokens.
  private func history(steps: Int) -> TrainingHistory {
    var history = TrainingHistory(layers: [1, 2], expertCount: 2)
    for step in 1...max(steps, 1) where step <= steps {
      history.add(
        step: step, Array(repeating: Double(step), count: TrainingMetric.count), loads: [1: [1, 2], 2: [3, 0]])
      if step % 10 == 0 { history.addScore(step: step, loss: Double(step) / 2) }
    }
    history.addCheckpoint(step: steps, seconds: 0.5)
    return history
  }

  @Test(arguments: [1, 7, 512, 513, 3000, 100_000])
  func anyNumberOfStepsFitsAndNoneIsLost(steps: Int) {
    let history = history(steps: steps)
    #expect(history.bins.count <= TrainingHistory.binLimit && history.bins.count >= min(steps, 256))
    #expect(history.bins.reduce(0) { $0 + $1.steps } == steps && history.lastStep == steps)
    var next = 1
    for bin in history.bins {
      #expect(bin.first == next && bin.steps == bin.last - bin.first + 1)
      #expect(bin.least[0] == Double(bin.first) && bin.most[0] == Double(bin.last))
      #expect(abs(bin.mean[0] - Double(bin.first + bin.last) / 2) < 1e-6)
      next = bin.last + 1
    }
    #expect(history.loads.count <= 96 && history.loads.first?.first == 1 && history.loads.last?.last == steps)
    let tokens = history.loads.reduce(into: [0, 0, 0, 0]) { sums, loads in
      for i in sums.indices { sums[i] += loads.tokens[i] }
    }
    #expect(tokens == [steps, 2 * steps, 3 * steps, 0])
    #expect(history.scores.count <= TrainingHistory.listLimit)
    #expect(steps < 10 || history.scores.last?.step == steps / 10 * 10)
    #expect(history.deadExperts.map(\.layer) == [2] && history.deadExperts.first?.experts == [1])
  }

  @Test func whatIsWrittenIsRead() throws {
    for steps in [0, 5, 1000] {
      var history = history(steps: steps)
      for step in stride(from: 5, through: steps, by: 5) {
        for (i, task) in ["sums", "capitals"].enumerated() {
          history.addTask(step: step, task: task, right: min(step, 7 + i), count: 9)
        }
      }
      #expect(history.taskScores.count == steps / 5 * 2)
      let text = history.json.text()
      let read = try TrainingHistory(json: try JSONValue(parsing: text), layers: [1, 2], expertCount: 2)
      #expect(read == history, "\(steps) steps")
    }
    let json = history(steps: 5).json
    for (layers, experts) in [([1], 2), ([1, 3], 2), ([1, 2], 4)] {
      #expect(throws: MalformedAccount.self) { try TrainingHistory(json: json, layers: layers, expertCount: experts) }
    }
  }

  @Test func resultsOfTasksAreBoundedAndThoseThatAreNoneRefused() throws {
    var history = history(steps: 1)
    for step in 1...5000 { history.addTask(step: step, task: "sums", right: 1, count: 2) }
    #expect(history.taskScores.count <= TrainingHistory.listLimit && history.taskScores.last?.step == 5000)
    for number in 0..<200 { history.addTask(step: 5001, task: "\(number)", right: 1, count: 2) }
    #expect(history.taskNames.count == TrainingHistory.taskLimit)
    history.addTask(step: 5002, task: "sums", right: 3, count: 2)
    #expect(history.taskScores.last?.step == 5001)
    for text in [#"{"step":1,"task":"a","right":3,"count":2}"#, #"{"step":1,"right":1,"count":2}"#] {
      var json = history.json.object!
      json["tasks"] = .array([try JSONValue(parsing: text)])
      #expect(throws: MalformedAccount.self) {
        try TrainingHistory(json: .object(json), layers: [1, 2], expertCount: 2)
      }
    }
  }

  @Test func aTrainingThatGoesBackForgetsWhatCameLater() {
    var history = history(steps: 60)
    for step in [20, 40, 60] { history.addTask(step: step, task: "sums", right: step / 10, count: 10) }
    history.goBack(to: 40)
    #expect(history.taskScores.map(\.right) == [2, 4])
    #expect(history.lastStep == 40 && history.loads.last?.last == 40 && history.scores.last?.step == 40)
    #expect(history.checkpoints.isEmpty)
    history.add(step: 41, Array(repeating: 1, count: TrainingMetric.count))
    #expect(history.lastStep == 41)
    // A step that was told before is not told again.
    history.add(step: 41, Array(repeating: 1, count: TrainingMetric.count))
    #expect(history.bins.count == 41)
  }

  /// Any number or text replaced by something else gives a history or an error, never a trap.
  @Test func aDamagedHistoryIsRefusedOrHarmless() throws {
    let text = Array(history(steps: 3).json.text().utf8)
    var refused = 0
    for (i, byte) in text.enumerated() where (48...57).contains(byte) || byte == 91 || byte == 123 {
      for replacement in ["-1", "1e9", "99999999999999999999", "null", "\"x\"", "[]", "7.5", "0"] {
        let damaged = text[..<i] + Array(replacement.utf8) + text[(i + 1)...]
        guard let json = try? JSONValue(parsing: damaged) else { continue }
        do {
          var history = try TrainingHistory(json: json, layers: [1, 2], expertCount: 2)
          history.add(step: 9, Array(repeating: 1, count: TrainingMetric.count), loads: [1: [1, 2], 2: [3, 0]])
          _ = history.json.text()
        } catch { refused += 1 }
      }
    }
    #expect(refused > 100)
  }
}
