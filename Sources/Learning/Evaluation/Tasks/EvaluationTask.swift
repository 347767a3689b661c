import Glibc
import JSON

/// A task with its items, ready to be asked.
package struct EvaluationTask: Sendable {
  package private(set) var description: TaskDescription
  package let items: [TaskItem]

  /// Has answers end after so many tokens, whatever the task says.
  package mutating func limitAnswers(to tokens: Int) { description.generation.maxNewTokens = tokens }

  /// The shipped task of this name, or that of a folder; of its items only the first `limit`.
  package init(_ name: String, limit: Int? = nil) throws(EvaluationError) {
    if let files = ShippedTasks.files(name) {
      try self.init(files, limit: limit)
    } else {
      guard let kind = TaskFiles.kind(name) else { throw .noTask(name: name, shipped: ShippedTasks.names) }
      guard kind == S_IFDIR else { throw .noFolder(path: name) }
      let files = TaskFiles(folder: name)
      guard try files.bytes("task.json") != nil else { throw .noTaskFile(folder: name) }
      try self.init(files, limit: limit)
    }
  }

  /// Reads a task's files; of its items only the first `limit`.
  package init(_ files: TaskFiles, limit: Int? = nil) throws(EvaluationError) {
    let file = "\(files.name)/task.json"
    guard let bytes = try files.bytes("task.json") else {
      throw .unreadable(path: file, reason: "there is no such file")
    }
    let value: JSONValue
    do { value = try JSONValue(parsing: bytes) } catch { throw .malformed(file: file, line: nil, reason: "\(error)") }
    let task = try TaskDescription(value, file: file)
    let maker = ItemMaker(task: task, file: file)
    var documents: [ItemDocument]
    if let generator = task.generator {
      documents = generator.documents(count: min(generator.count, limit ?? .max), file: file)
    } else {
      documents = try ItemDocument.read(files, task.dataset)
    }
    let shots = try Self.shots(task, files, documents, file: file)
    if let limit { documents = Array(documents.prefix(limit)) }
    var items: [TaskItem] = []
    for (i, document) in documents.enumerated() {
      items += try maker.items(document, index: i, shots: shots)
    }
    var seen: Set<String> = []
    for item in items where !seen.insert("\(item.id) \(item.kind ?? "")").inserted {
      throw .malformed(file: file, line: nil, reason: "two items have the id \(item.id.shortened()); give each its own")
    }
    (description, self.items) = (task, items)
  }

  /// What examples are taken from: a file of their own, items made with another seed, or the task's other items.
  private static func shots(
    _ task: TaskDescription, _ files: TaskFiles, _ documents: [ItemDocument], file: String
  ) throws(EvaluationError) -> [ItemDocument] {
    guard task.fewShotCount > 0 else { return [] }
    let shots: [ItemDocument]
    if let name = task.fewShotDataset {
      shots = try ItemDocument.read(files, name)
    } else if var generator = task.generator {
      generator.seed &+= 1
      shots = generator.documents(count: task.fewShotCount, file: file)
    } else {
      // One more: an item is no example of itself.
      shots = Array(documents.prefix(task.fewShotCount + 1))
    }
    let isOwn = task.fewShotDataset == nil && task.generator == nil
    guard shots.count >= task.fewShotCount + (isOwn ? 1 : 0) else {
      throw .fields(
        file: file, reason: "num_fewshot is \(task.fewShotCount), and there are \(shots.count) items to take from")
    }
    return shots
  }
}

/// One line of a task's items.
struct ItemDocument: Sendable, Equatable {
  var file: String
  /// From 1; nil for what was generated.
  var line: Int?
  var object: JSONObject

  /// The JSON object on each line of a file that is not blank.
  static func read(_ files: TaskFiles, _ name: String) throws(EvaluationError) -> [ItemDocument] {
    let file = "\(files.name)/\(name)"
    guard let bytes = try files.bytes(name) else { throw .unreadable(path: file, reason: "there is no such file") }
    var documents: [ItemDocument] = []
    for (i, line) in bytes.split(separator: 10, omittingEmptySubsequences: false).enumerated() {
      guard !line.allSatisfy({ $0 == 32 || $0 == 9 || $0 == 13 }) else { continue }
      let value: JSONValue
      do { value = try JSONValue(parsing: line) } catch {
        throw .malformed(file: file, line: i + 1, reason: "\(error)")
      }
      guard let object = value.object else {
        throw .malformed(file: file, line: i + 1, reason: "it is \(value.kind) where an object should be")
      }
      guard object.count > 0 else {
        throw .malformed(file: file, line: i + 1, reason: "the item is empty; give it the fields that task.json reads")
      }
      documents.append(ItemDocument(file: file, line: i + 1, object: object))
    }
    guard !documents.isEmpty else { throw .noItems(file: file) }
    return documents
  }
}
