# What only the tool needs: the editor of the line that is being typed.
find_package(Edit REQUIRED)
set(app_libraries Edit::Edit)
