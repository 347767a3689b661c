/// A tensor that holds the projections to queries, keys and values: rows of all heads' queries, then keys, then values.
struct JoinedProjections: Sendable {
  let name: NameTemplate
  /// Rows of the queries, and of the keys, of which the values have as many.
  var queryRows = 0
  var keyRows = 0

  var count: Int { queryRows + 2 * keyRows }

  /// Nil for what lies elsewhere.
  func rows(of role: ParameterRole) -> Range<Int>? {
    switch role {
    case .query: 0..<queryRows
    case .key: queryRows..<(queryRows + keyRows)
    case .value: (queryRows + keyRows)..<count
    default: nil
    }
  }
}

extension PublishedNames {
  /// These names, with queries, keys and values in one tensor.
  func joining(_ name: NameTemplate) -> PublishedNames {
    var names = self
    names.joined = JoinedProjections(name: name)
    return names
  }

  /// These names, with the selection bias as a matrix of one row.
  func withSelectionBiasAsRow() -> PublishedNames {
    var names = self
    names.selectionBiasIsRow = true
    return names
  }

  /// These names, which begin so where they are published.
  func beginning(_ prefix: NamePrefix) -> PublishedNames {
    var names = self
    names.prefix = prefix
    return names
  }

  /// These names as published, and others that folders of the family may have in their place.
  func or(_ others: PublishedNames...) -> PublishedNames {
    var names = self
    names.spellings = [self] + others
    return names
  }

  /// The names for a model of these sizes.
  func fitted(to description: DecoderDescription) -> PublishedNames {
    var names = placingModules(of: description)
    names.spellings = spellings.map { $0.fitted(to: description) }
    guard joined != nil, case .grouped(let attention)? = description.layers.first?.attention else { return names }
    names.joined?.queryRows = attention.headCount * attention.headDims
    names.joined?.keyRows = attention.keyValueHeadCount * attention.headDims
    return names
  }

  /// Another of the spellings, of which all are still known.
  func spelled(_ other: PublishedNames) -> PublishedNames {
    var names = other
    (names.spellings, names.prefix) = (spellings, prefix)
    return names
  }

  /// The family's names for each parameter apart from all others, however a folder is laid out.
  package var apart: PublishedNames {
    var names = (spellings.first ?? self).with(experts: .separate)
    (names.joined, names.prefix) = (nil, .standard)
    return names
  }
}
