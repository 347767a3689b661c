import JSON

/// The tasks that ship with the program: `Resources`, embedded when it is built.
package enum ShippedTasks {
  /// In the order in which they are listed.
  private static let tasks: [(name: String, task: [UInt8], items: (file: String, bytes: [UInt8])?)] = [
    ("chain-sum", PackageResources.chain_sum_json, nil),
    ("addition", PackageResources.addition_json, nil),
    ("products", PackageResources.products_json, nil),
    ("gcd", PackageResources.gcd_json, nil),
    ("sorting", PackageResources.sorting_json, nil),
    ("countdown", PackageResources.countdown_json, nil),
    ("letter-counting", PackageResources.letter_counting_json, nil),
    ("spell-backward", PackageResources.spell_backward_json, nil),
    ("capitals", PackageResources.capitals_json, ("capitals.jsonl", PackageResources.capitals_jsonl)),
    ("capital-choices", PackageResources.capital_choices_json, nil),
    ("elements", PackageResources.elements_json, ("elements.jsonl", PackageResources.elements_jsonl)),
    ("element-numbers", PackageResources.element_numbers_json, ("elements.jsonl", PackageResources.elements_jsonl)),
    ("prose", PackageResources.prose_json, ("prose.jsonl", PackageResources.prose_jsonl)),
    ("claims", PackageResources.claims_json, ("claims.jsonl", PackageResources.claims_jsonl)),
  ]

  package static var names: [String] { tasks.map(\.name) }

  /// The files of a task; nil for a name that is none's.
  package static func files(_ name: String) -> TaskFiles? {
    guard let task = tasks.first(where: { $0.name == name }) else { return nil }
    var files = ["task.json": task.task]
    if let items = task.items { files[items.file] = items.bytes }
    return TaskFiles(name: name, files: files)
  }

  /// Common English words.
  static let words = String(decoding: PackageResources.words_txt, as: UTF8.self).split(separator: "\n").map(String.init)

  /// Each country and its capital.
  static let capitals = PackageResources.capitals_jsonl.split(separator: 10).compactMap { line in
    (try? JSONValue(parsing: line)).flatMap { value -> (country: String, capital: String)? in
      guard let country = value["country"]?.string, let capital = value["capital"]?.array?.first?.string else {
        return nil
      }
      return (country, capital)
    }
  }
}
