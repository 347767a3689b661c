import Foundation
import TestSupport

@testable import Evaluation

/// A task's folder made for a test.
struct TaskFolder {
  let folder = TemporaryFolder()
  var path: String { folder.path }

  init(_ task: String, items: String? = #"{"q":"1+1","a":"2"}"#) throws {
    try task.write(toFile: folder.file("task.json"), atomically: true, encoding: .utf8)
    try items?.write(toFile: folder.file("items.jsonl"), atomically: true, encoding: .utf8)
  }

  func task(limit: Int? = nil) throws -> EvaluationTask { try EvaluationTask(path, limit: limit) }

  /// What reading it says, its own path left out; nil where nothing is wrong.
  func complaint() -> String? {
    do {
      _ = try task()
      return nil
    } catch { return "\(error)".replacingOccurrences(of: path + "/", with: "") }
  }
}
