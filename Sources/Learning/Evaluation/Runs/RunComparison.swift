import JSON

/// A task's result beside that of another run, item by item.
package struct RunComparison: Sendable {
  package let task: String
  package let pair: PairedComparison
  /// Items that only one of the runs has.
  package let unmatched: Int

  /// The tasks that both files have; each is what `eval --out` wrote. Throws where a file is none, or there is no such
  /// task.
  package static func comparisons(
    first: JSONValue, second: JSONValue, names: (first: String, second: String)
  ) throws(EvaluationError) -> [RunComparison] {
    let (a, b) = (try tasks(first, file: names.first), try tasks(second, file: names.second))
    var found: [RunComparison] = []
    for (name, items) in b {
      guard let others = a.first(where: { $0.name == name })?.items else { continue }
      if let one = comparison(name, others, items) { found.append(one) }
    }
    guard !found.isEmpty else {
      throw .otherRuns(reason: "\(names.first) and \(names.second) have no graded items of one task in common")
    }
    return found
  }

  /// Throws, before anything is asked, for a file that `eval --out` did not write, or of other tasks than `names`.
  package static func check(_ value: JSONValue, file: String, names: [String]) throws(EvaluationError) {
    let tasks = try tasks(value, file: file).map(\.name)
    guard !names.contains(where: tasks.contains) else { return }
    throw .otherRuns(
      reason:
        """
        \(file) has results of \(tasks.isEmpty ? "no task" : tasks.joined(separator: ", ")), and none of \
        \(names.joined(separator: ", "))
        """
    )
  }

  private struct Item {
    var cluster: String?
    var scores: [Double] = []
  }

  private static func tasks(
    _ value: JSONValue, file: String
  ) throws(EvaluationError) -> [(name: String, items: [(id: String, item: Item)])] {
    guard let tasks = value["tasks"]?.array else {
      throw .otherRuns(reason: "\(file) has no \"tasks\"; give what --out of `martinet eval` wrote")
    }
    var found: [(name: String, items: [(id: String, item: Item)])] = []
    for task in tasks {
      guard let name = task["task"]?.string, let answers = task["items"]?.array else {
        throw .otherRuns(reason: "\(file) has a task without name or items; give what --out of `martinet eval` wrote")
      }
      var places: [String: Int] = [:]
      var items: [(id: String, item: Item)] = []
      for answer in answers {
        guard let id = answer["id"]?.string, let outcome = answer["outcome"]?.string.flatMap(Outcome.init(rawValue:))
        else { throw .otherRuns(reason: "\(file) has an item of \(name) without id or outcome") }
        guard outcome.isCounted else { continue }
        // The same id with another prompt is another item.
        let key = "\(id)\n\(answer["prompt_kind"]?.string ?? "")\n\(answer["prompt"]?.string ?? "")"
        let place = places[key] ?? items.count
        if place == items.count {
          places[key] = place
          items.append((key, Item(cluster: answer["cluster"]?.string)))
        }
        items[place].item.scores.append(outcome == .right ? 1 : 0)
      }
      found.append((name, items))
    }
    return found
  }

  private static func comparison(
    _ name: String, _ first: [(id: String, item: Item)], _ second: [(id: String, item: Item)]
  ) -> RunComparison? {
    var others: [String: Item] = [:]
    for (id, item) in first { others[id] = item }
    var (a, b): ([Double], [Double]) = ([], [])
    var clusters: [String] = []
    for (id, item) in second {
      guard let other = others[id] else { continue }
      a.append(other.scores.reduce(0, +) / Double(other.scores.count))
      b.append(item.scores.reduce(0, +) / Double(item.scores.count))
      clusters.append(item.cluster ?? id)
    }
    let isClustered = Set(clusters).count < clusters.count
    guard let pair = PairedComparison(a, b, clusters: isClustered ? clusters : nil) else { return nil }
    return RunComparison(task: name, pair: pair, unmatched: first.count + second.count - 2 * a.count)
  }

  package var json: JSONObject {
    JSONObject([
      ("task", .string(task)), ("n", .int(pair.count)), ("difference", .double(pair.difference)),
      ("interval", [.double(pair.interval.lowerBound), .double(pair.interval.upperBound)]),
      ("standard_error", .double(pair.standardError)), ("only_first_right", .int(pair.onlyFirst)),
      ("only_second_right", .int(pair.onlySecond)), ("mcnemar_p", .double(pair.probability)),
      ("unmatched", .int(unmatched)),
    ])
  }
}
