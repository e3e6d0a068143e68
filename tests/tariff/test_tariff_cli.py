    for change in (
        {"tariffs": []},
        {"tariffs": None},
